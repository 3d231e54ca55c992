"""Engines behind one protocol: `load` opens one, `Engine` is what it can do."""

from ruxi.runtime.loading import load
from ruxi.runtime.protocol import Delta, Engine, Feelings, FinishReason, Media, Perceptive, Sampling

__all__ = ["Delta", "Engine", "Feelings", "FinishReason", "Media", "Perceptive", "Sampling", "load"]
