"""Frozen pretrained extractors and the cache of what they found."""

from ruxi.features.cache import FeatureCache
from ruxi.features.minilm import load_embedder
from ruxi.features.registry import load_extractor
from ruxi.features.types import Extractor, FeatureSequence

__all__ = ["Extractor", "FeatureCache", "FeatureSequence", "load_embedder", "load_extractor"]
