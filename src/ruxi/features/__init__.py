"""Frozen pretrained extractors and the cache of what they found."""

from ruxi.features.registry import load_extractor
from ruxi.features.types import Extractor, FeatureSequence

__all__ = ["Extractor", "FeatureSequence", "load_extractor"]
