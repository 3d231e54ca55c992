"""Sounds that the feature tests make themselves."""

from __future__ import annotations

import numpy as np

from ruxi.media import Audio


def sound_of(samples: np.ndarray, start: float = 0.0) -> Audio:
    """A sound at 16 kHz."""
    return Audio(samples.astype(np.float32), "0" * 64, start, start + len(samples) / 16_000, "made.wav")
