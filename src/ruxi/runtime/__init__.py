"""Engines behind one protocol: `load` opens one, `Engine` is what it can do."""

from ruxi.runtime.loading import load
from ruxi.runtime.protocol import Delta, Engine, FinishReason, Media, Sampling

__all__ = ["Delta", "Engine", "FinishReason", "Media", "Sampling", "load"]
