"""Frozen pretrained extractors and the cache of what they found."""

from ruxi.features.cache import FeatureCache
from ruxi.features.minilm import load_embedder
from ruxi.features.registry import load_extractor
from ruxi.features.types import STREAM_OF_KIND, Extractor, FeatureSequence

__all__ = ["STREAM_OF_KIND", "Extractor", "FeatureCache", "FeatureSequence", "load_embedder", "load_extractor"]
