"""Pretrained parts: pinned by SHA-256, fetched once into a local store, used from there."""

from ruxi.weights import catalogue
from ruxi.weights.install import Progress, Pulled, pull, require
from ruxi.weights.resolve import resolve
from ruxi.weights.store import Store, home

__all__ = ["Progress", "Pulled", "Store", "catalogue", "home", "pull", "require", "resolve"]
