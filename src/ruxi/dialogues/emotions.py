"""Emotions: the 28 GoEmotions labels, each mapped to one of the 7 of MELD.

GoEmotions: Demszky et al., ACL 2020 (27 emotions and neutral). MELD: Poria et al., ACL 2019 (Ekman's six and
neutral). The mapping is GoEmotions' own grouping into Ekman's six, with its many positive labels under joy.
"""

from __future__ import annotations

from typing import Final

NEUTRAL: Final = "neutral"

EMOTIONS: Final[tuple[str, ...]] = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire",
    "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief",
    "joy", "love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness",
    "surprise", "neutral",
)  # fmt: skip

BASIC_EMOTIONS: Final[tuple[str, ...]] = (
    "anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise",
)  # fmt: skip

_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        "admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy", "love",
        "optimism", "pride", "relief",
    ),
    "neutral": ("neutral",),
    "sadness": ("disappointment", "embarrassment", "grief", "remorse", "sadness"),
    "surprise": ("confusion", "curiosity", "realization", "surprise"),
}  # fmt: skip

TO_BASIC: Final[dict[str, str]] = {label: basic for basic, labels in _GROUPS.items() for label in labels}
