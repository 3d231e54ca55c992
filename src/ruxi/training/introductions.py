"""Choices of a name: asked who it is, a character says its own name and nobody else's.

Roles hardly ever say in dialogue who they are, so that learning from dialogues, and choosing what a card says, can make
a character forget it. Each role of a dialogue is asked; wrong answers are the same sentence with other roles' names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from ruxi.dialogues import Dialogue
from ruxi.training.choices import ReplyChoice, question_to
from ruxi.training.repertoire import Speakers

_QUESTIONS = (
    "Who are you?",
    "Please introduce yourself.",
    "And you are?",
    "Tell me who you are.",
    "How are you called?",
)
_ANSWERS = ("I am {}.", "I'm {}.", "My name is {}.", "I am {}. And who are you?")


class IntroductionMaker:
    """Makes a choice for each English dialogue and role.

    Args:
        dialogues: The dialogues of one split, which say who there is.
        speakers: Whose replies are learnt.
        candidates: Answers to choose from, the true one among them.
    """

    def __init__(self, dialogues: Sequence[Dialogue], speakers: Speakers, candidates: int) -> None:
        self._asked = [(one, *role) for one in dialogues if one.language == "en" for role in speakers(one)]
        self._names = list(dict.fromkeys(name for _, name, _ in self._asked))
        self._candidates = candidates

    def made(self) -> Iterator[ReplyChoice]:
        """The choices, in the order of the dialogues; none where there are too few roles."""
        if len(self._names) < self._candidates:
            return
        for met, name, character in self._asked:
            rng = random.Random(f"{met.id}/{name}/name")
            answer, asked = rng.choice(_ANSWERS), rng.choice(_QUESTIONS)
            others = [other for other in rng.sample(self._names, self._candidates) if other != name]
            wrong = tuple(answer.format(other) for other in others[: self._candidates - 1])
            dialogue = question_to(name, asked, answer.format(name), met=met, identifier=f"{met.id}/name")
            yield ReplyChoice(dialogue, name, character, wrong)
