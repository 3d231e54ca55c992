"""Emotion in dialogue from the words, in the seven classes of MELD (Poria et al., ACL 2019)."""

from __future__ import annotations

from typing import ClassVar

from ruxi.dialogues.emotions import BASIC_EMOTIONS, TO_BASIC
from ruxi.evaluation.labels import LabelSet, LabelTask

EMOTION = LabelSet(
    head="emotion",
    names=BASIC_EMOTIONS,
    words={
        "anger": "angry", "disgust": "disgusted", "fear": "afraid", "joy": "happy", "neutral": "neutral",
        "sadness": "sad", "surprise": "surprised",
    },
    question="How does {speaker} feel? Answer with one word: {words}.",
    of_turn=lambda turn: None if turn.emotion is None else TO_BASIC[turn.emotion],
    of_head=TO_BASIC.get,
)  # fmt: skip


class EmotionText(LabelTask):
    """Names the emotion of a turn of words."""

    name = "emotion_text"
    summary = "the emotion of a spoken or written line, of seven, in its dialogue"
    labels: ClassVar[LabelSet] = EMOTION
