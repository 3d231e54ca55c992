"""Emotion from the voice, in seven classes; on RAVDESS of actors whom nobody has heard before."""

from __future__ import annotations

from typing import ClassVar, Literal

from ruxi.evaluation.labels import LabelSet, LabelTask
from ruxi.evaluation.task import Need
from ruxi.evaluation.tasks.emotion_text import EMOTION


class EmotionVoice(LabelTask):
    """Names the emotion of a turn that is heard."""

    name = "emotion_voice"
    summary = "the emotion of a voice, of seven"
    needs: ClassVar[frozenset[Need]] = frozenset({"likelihood", "media"})
    labels: ClassVar[LabelSet] = EMOTION
    kind: ClassVar[Literal["image", "audio", "video"] | None] = "audio"
    headline: ClassVar[str] = "unweighted accuracy"
