"""Choices of what a character says of itself: its card says so, and the opposite must be passed over.

The cards are made of what roles say of themselves in the data. Each line is taken as it was said or, as often, turned
into its opposite, and a line of the card is the right answer: what is likely to be said by anybody does not tell which
of the two it is, only reading the card does. That likely replies contradict the persona is shown by Welleck et al.,
Dialogue natural language inference, ACL 2019, arXiv:1811.00671.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ruxi.characters import Character
from ruxi.characters.statements import opposites
from ruxi.dialogues import Dialogue
from ruxi.training.choices import ReplyChoice, question_to
from ruxi.training.repertoire import Repertoire, Said, Speakers

_QUESTIONS = ("Who are you?", "What should I know about you?", "Tell me about you.", "What are you like?")
_BEGINNINGS = ("I ", "I'm ", "My ")
_WORDS = range(4, 17)
"""A statement of fewer words says nothing, a longer one several things."""
_LINES = 4
"""Lines of a card; there are fewer where a role has said less of itself, and where there is no room to choose."""


@dataclass(frozen=True)
class _Line:
    """A statement and its opposite; on a card, what the card says comes first."""

    kept: str
    turned: str


class StatementMaker:
    """Makes a choice of every statement in the first person that some dialogues hold and that has an opposite.

    Args:
        dialogues: The dialogues of one split.
        speakers: Whose replies are taken.
        candidates: Replies to choose from: the right line, the opposites of the card's lines, lines of other roles.
    """

    def __init__(self, dialogues: Sequence[Dialogue], speakers: Speakers, candidates: int) -> None:
        self._candidates = candidates
        self._by_role: dict[str, list[_Line]] = defaultdict(list)
        self._found: list[tuple[Said, _Line]] = []
        known: set[str] = set()
        for said in Repertoire(dialogues, speakers).said:
            if said.dialogue.language != "en":
                continue
            for line in (_Line(text, against) for text, against in opposites(said.text).items()):
                fits = line.kept.startswith(_BEGINNINGS) and len(line.kept.split()) in _WORDS
                if fits and line.kept not in known:
                    known.add(line.kept)
                    self._by_role[said.speaker].append(line)
                    self._found.append((said, line))

    def made(self) -> Iterator[ReplyChoice]:
        """The choices, in the order of the dialogues; those for which others have said too little are passed over."""
        for number, (said, own) in enumerate(self._found):
            identifier = f"{said.dialogue.id}/{said.turn}/{number}"
            rng = random.Random(f"{identifier}/statement")
            pool = [other for other in self._by_role[said.speaker] if other != own]
            more = rng.sample(pool, min(len(pool), _LINES - 1, self._candidates - 2))
            right, *rest = (_as_said_or_turned(line, rng) for line in (own, *more))
            others = [right.turned, *(line.turned for line in rest)]
            others += [line.kept for line in self._of_others(said.speaker, self._candidates - 1 - len(others), rng)]
            if len(others) < self._candidates - 1:
                continue
            lines = [right.kept, *(line.kept for line in rest)]
            rng.shuffle(lines)
            card = Character(name=said.speaker, description="\n".join(lines))
            asked = rng.choice(_QUESTIONS)
            dialogue = question_to(said.speaker, asked, right.kept, met=said.dialogue, identifier=identifier)
            yield ReplyChoice(dialogue, said.speaker, card, tuple(others), spoken=False)

    def _of_others(self, speaker: str, count: int, rng: random.Random) -> list[_Line]:
        roles = [role for role in self._by_role if role != speaker]
        return [
            _as_said_or_turned(rng.choice(self._by_role[role]), rng)
            for role in rng.sample(roles, min(len(roles), count))
        ]


def _as_said_or_turned(line: _Line, rng: random.Random) -> _Line:
    return line if rng.random() < 0.5 else _Line(line.turned, line.kept)
