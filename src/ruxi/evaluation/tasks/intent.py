"""Intent in dialogue: what a speaker wants, of the sixteen intents of `ruxi.dialogues.intents`."""

from __future__ import annotations

from typing import ClassVar

from ruxi.dialogues.intents import INTENTS
from ruxi.evaluation.labels import LabelSet, LabelTask


class Intent(LabelTask):
    """Names the intent of a turn of words."""

    name = "intent"
    summary = "what the speaker of a line wants, of sixteen intents"
    labels: ClassVar[LabelSet] = LabelSet(
        head="intent",
        names=tuple(INTENTS),
        words={name: name for name in INTENTS},
        question="What is this line of {speaker}'s? Answer with one word: {words}.",
        of_turn=lambda turn: turn.intent if turn.intent in INTENTS else None,
        of_head=lambda label: label if label in INTENTS else None,
    )
