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
from ruxi.runtime.several import generate_several

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
    "generate_several",
    "load",
    "with_media",
]
