"""A process that fills a feature cache; tests start several, and kill some."""

from __future__ import annotations

import sys

import numpy as np

from ruxi.features import FeatureCache, FeatureSequence
from ruxi.media import Medium


class Numbers:
    """Big, known features: whoever reads them can tell whether they are whole."""

    name, version, modality, width = "numbers", "1", "image", 256

    def extract(self, medium: Medium) -> FeatureSequence:
        return features_of(medium.sha256)


def features_of(sha256: str) -> FeatureSequence:
    """The features that belong to a digest, 512 KiB of them."""
    values = np.full((1024, 256), int(sha256[-4:], 16) % 2000, dtype=np.float16)
    return FeatureSequence(values, np.zeros((1024, 2), dtype=np.float32), text=sha256)


def digest(number: int) -> str:
    return f"{number:064x}"


def main(root: str, first: int, last: int) -> None:
    """Write a range of entries over and over until killed."""
    cache, extractor = FeatureCache(root), Numbers()
    print("ready", flush=True)
    while True:
        for number in range(first, last):
            cache.put(digest(number), extractor, features_of(digest(number)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
