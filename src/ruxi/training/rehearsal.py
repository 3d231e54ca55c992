"""What a model knows, asked out of it: questions that it makes up itself, and its own answers, to be learnt again.

While a model learns to play roles it forgets what nobody asks it there. Asked these questions in training, it keeps its
answers (self-synthesised rehearsal, Huang et al., ACL 2024, arXiv:2403.01244). A question is what a chat model writes
where its user's words would stand (Magpie, Xu et al., ICLR 2025, arXiv:2406.08464); the answer is its likeliest one, as
itself or in a role, and is taken if it comes to an end.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ruxi.characters import Character
from ruxi.dialogues import CastMember, Dialogue, Turn
from ruxi.dialogues.shards import shards_of
from ruxi.dialogues.store import DialogueSet
from ruxi.dialogues.writer import DatasetWriter
from ruxi.errors import DataError
from ruxi.evaluation.generation import speaks_for
from ruxi.prompt import Prompt
from ruxi.runtime import Engine, Sampling

SUBJECTS = (
    "geography, countries and capitals",
    "history and famous people",
    "animals, plants and nature",
    "science and technology",
    "numbers and arithmetic",
    "food, health and the household",
    "books, films and music",
    "words, languages and grammar",
)
_TOLD = "You answer short questions about {}."
_HOW = ("", "", " Answer in one sentence.", " Answer in one word.")
_PLAIN = Sampling(repetition_penalty=1.0, no_repeat_ngram=0)
_ASKING = replace(_PLAIN, temperature=1.0, top_p=0.9, max_tokens=40, stop=("\n",))
_ANSWERING = replace(_PLAIN, temperature=0)
_FEWEST_WORDS = 4
_PERSONA_TOKENS = 128

ITSELF = Character(name="Assistant", system_prompt="You are a helpful assistant.")
"""Who answers where no roles are given."""


@dataclass
class RehearsalReport:
    """What was made.

    Attributes:
        dialogues: Questions with answers that were added.
        kept: Those that were there already, of an earlier run that was stopped.
        unusable: Questions that were none, and answers that came to no end or spoke for the user.
    """

    dialogues: int = 0
    kept: int = 0
    unusable: int = 0


class Rehearsal:
    """Makes dialogues of a question and an answer; each depends on seed and number alone.

    Args:
        engine: The model as it was before it learnt; it must read tokens, as engines in this process do.
        roles: Cards by id; each answer is given in one of these roles.
        subjects: What is asked about.
        longest: Longest answer, in tokens.
        seed: Seeds questions and roles.
    """

    def __init__(
        self,
        engine: Engine,
        roles: Mapping[str, Character] | None = None,
        *,
        subjects: tuple[str, ...] = SUBJECTS,
        longest: int = 64,
        seed: int = 1,
    ) -> None:
        self._engine = engine
        self._prompts = engine.prompts.with_options(persona_tokens=_PERSONA_TOKENS)
        self._roles = dict(roles or {"assistant": ITSELF})
        self._subjects = subjects
        self._longest = longest
        self._seed = seed

    def run(
        self, out: Path, questions: int, on_progress: Callable[[int], None] = lambda count: None
    ) -> RehearsalReport:
        """Write what comes of so many questions; a run that was stopped goes on in the same folder.

        Raises:
            DataError: The folder holds other dialogues, or cannot be written.
        """
        report = RehearsalReport()
        source = f"questions and answers of {self._engine.name} itself"
        identifiers = [f"{self._engine.name}/{self._seed}/{number}" for number in range(questions)]
        report.kept, done = self._kept(out, identifiers)
        with DatasetWriter(out, source=source, mode="append") as writer:
            for identifier, character in self._roles.items():
                writer.add_character(identifier, character)
            for number, identifier in enumerate(identifiers[done:], start=done + 1):
                dialogue = self._made(identifier)
                if dialogue is None:
                    report.unusable += 1
                else:
                    writer.add(dialogue)
                    report.dialogues += 1
                on_progress(number)
        return report

    def _kept(self, out: Path, identifiers: list[str]) -> tuple[int, int]:
        """How many dialogues an earlier run has left, and how many questions they came of."""
        if not shards_of(out):
            return 0, 0
        numbers = {identifier: number for number, identifier in enumerate(identifiers)}
        kept = [dialogue.id for dialogue in DialogueSet.open(out)]
        other = [identifier for identifier in kept if identifier not in numbers]
        if other:
            raise DataError(
                f"holds something else than these questions, such as dialogue {other[0]!r}",
                where=str(out),
                remedy="Name another folder, or the model, the seed and the questions of the run that goes on.",
            )
        return len(kept), 1 + max((numbers[identifier] for identifier in kept), default=-1)

    def _made(self, identifier: str) -> Dialogue | None:
        rng = random.Random(identifier)
        subject, how, role = rng.choice(self._subjects), rng.choice(_HOW), rng.choice(sorted(self._roles))
        opened = self._prompts.build_question(_TOLD.format(subject))
        question = self._said(opened, replace(_ASKING, seed=rng.getrandbits(32)))
        if question is None or len(question.split()) < _FEWEST_WORDS or not question.endswith(("?", ".")):
            return None
        character = self._roles[role]
        cast = [CastMember(name="User", kind="user"), CastMember(name=character.call_name, character=role)]
        turn = Turn.of_text("User", question + how)
        asked = Dialogue(id=identifier, cast=cast, turns=[turn], group=question, language="en")
        prompt = self._prompts.build(character, asked, reserve=self._longest)
        answer = self._said(prompt, replace(_ANSWERING, max_tokens=self._longest))
        if not answer or speaks_for(answer, asked, character.call_name):
            return None
        turns = [*asked.turns, Turn.of_text(character.call_name, answer, system=self._engine.name)]
        return asked.model_copy(update={"turns": turns})

    def _said(self, prompt: Prompt, sampling: Sampling) -> str | None:
        """What the model says; None where it comes to no end."""
        pieces = list(self._engine.generate(prompt, {}, sampling))
        ended = pieces[-1].finish_reason == "stop"
        return "".join(piece.text for piece in pieces).strip() if ended else None


def roles_of(data: DialogueSet) -> dict[str, Character]:
    """The cards of those who play a role in the training dialogues of a data set, by id.

    Raises:
        DataError: There are none.
    """
    learnt = (dialogue for dialogue in data if dialogue.split == "train" and not dialogue.holdout)
    found = {m.character for dialogue in learnt for m in dialogue.cast if m.kind == "character" and m.character}
    if not found:
        problem = "nobody with a card plays in a dialogue of split 'train'"
        raise DataError(problem, where=str(data.path), remedy="Name another data set, or run `ruxi data split`.")
    return {identifier: data.character(identifier) for identifier in sorted(found)}
