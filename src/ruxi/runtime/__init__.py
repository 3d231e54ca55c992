"""Engines behind one protocol: `load` opens one, `Engine` is what it can do."""

from ruxi.runtime.constraints import Constraint
from ruxi.runtime.loading import load
from ruxi.runtime.protocol import (
    Delta,
    Engine,
    Feelings,
    FinishReason,
    Media,
    Perceptive,
    Sampling,
    SeesMedia,
    with_media,
)

__all__ = [
    "Constraint",
    "Delta",
    "Engine",
    "Feelings",
    "FinishReason",
    "Media",
    "Perceptive",
    "Sampling",
    "SeesMedia",
    "load",
    "with_media",
]
