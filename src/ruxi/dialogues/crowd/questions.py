"""What people are asked about a turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ruxi.dialogues.emotions import EMOTIONS
from ruxi.dialogues.intents import INTENTS
from ruxi.errors import UsageError

Kind = Literal["choice", "rating"]
STARS: Final = 5


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        name: What results call it.
        title: What people read.
        kind: `choice` takes one of the choices, `rating` 1 to 5 stars.
        choices: Names of the choices; none for a rating.
        hints: What each choice means, where that is not plain.
    """

    name: str
    title: str
    kind: Kind
    choices: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


EMOTION: Final = Question("emotion", "What does the speaker of the last line feel?", "choice", EMOTIONS)
INTENT: Final = Question(
    "intent", "What does the speaker of the last line want?", "choice", tuple(INTENTS), tuple(INTENTS.values())
)
IN_CHARACTER: Final = Question("in_character", "How well does the last line stay in its role?", "rating")
BETTER_REPLY: Final = Question(
    "better_reply",
    "Which reply is better in its role?",
    "choice",
    ("first", "second", "equal"),
    ("reply 1 is better", "reply 2 is better", "neither is better"),
)

QUESTIONS: Final = {question.name: question for question in (EMOTION, INTENT, IN_CHARACTER, BETTER_REPLY)}


def questions_named(names: list[str]) -> list[Question]:
    """The questions of these names, in the order of `QUESTIONS`.

    Raises:
        UsageError: There is no such question, or none is named.
    """
    if unknown := [name for name in names if name not in QUESTIONS] or ([] if names else ["nothing"]):
        raise UsageError(f"no question is called {unknown[0]!r}", remedy=f"Known: {', '.join(QUESTIONS)}.")
    return [question for name, question in QUESTIONS.items() if name in names]
