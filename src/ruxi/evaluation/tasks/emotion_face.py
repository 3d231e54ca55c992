"""Emotion from a face, in the seven classes of FER-2013 (Goodfellow et al., 2013)."""

from __future__ import annotations

from typing import ClassVar, Literal

from ruxi.evaluation.labels import LabelSet, LabelTask
from ruxi.evaluation.task import Need
from ruxi.evaluation.tasks.emotion_text import EMOTION


class EmotionFace(LabelTask):
    """Names the emotion of a face that is shown."""

    name = "emotion_face"
    summary = "the emotion of a face, of seven"
    needs: ClassVar[frozenset[Need]] = frozenset({"likelihood", "media"})
    labels: ClassVar[LabelSet] = EMOTION
    kind: ClassVar[Literal["image", "audio", "video"] | None] = "image"
    headline: ClassVar[str] = "unweighted accuracy"
