"""How long a hit and a write of the feature cache take.

    python benchmarks/feature_cache.py [--entries 20000] [--folder DIR]

Writes entries of the size of a picture's features (49 x 1280) into a new folder, reads them in random order in a fresh
cache (which checks the checksums), and again (which does not), and removes the folder.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from ruxi.dialogues import Label
from ruxi.features import FeatureCache, FeatureSequence
from ruxi.media import Medium


class Grid:
    """Stands for an extractor of pictures; the cache needs only its name and version."""

    name, version, modality, width = "grid", "1", "image", 1280

    def extract(self, medium: Medium) -> FeatureSequence:
        """Never called: every entry is written beforehand."""
        raise AssertionError(medium.source)


def _microseconds(cache: FeatureCache, digests: list[str]) -> dict[str, float]:
    extractor = Grid()
    times = []
    for digest in digests:
        begin = time.perf_counter()
        found = cache.get(digest, extractor)
        times.append(time.perf_counter() - begin)
        assert found is not None
    return {"mean": round(1e6 * float(np.mean(times)), 1), "median": round(1e6 * float(np.median(times)), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, default=None, help="where to put the temporary cache")
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    labels = tuple(Label(name=f"class {index}", score=0.1, source="grid") for index in range(5))
    values = generator.random((49, 1280)).astype(np.float16)
    found = FeatureSequence(values, np.zeros((49, 2), dtype=np.float32), labels=labels)
    digests = [generator.bytes(32).hex() for _ in range(options.entries)]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        cache = FeatureCache(folder)
        begin = time.perf_counter()
        for digest in digests:
            cache.put(digest, Grid(), found)
        written = (time.perf_counter() - begin) / len(digests)
        random.Random(0).shuffle(digests)
        reader = FeatureCache(folder)
        first, again = _microseconds(reader, digests), _microseconds(reader, digests)
        begin = time.perf_counter()
        usage = reader.usage()
        result = {
            "entries": options.entries,
            "megabytes": round(sum(entry.bytes for entry in usage.values()) / 1e6),
            "write_us": round(1e6 * written, 1),
            "first_hit_us": first,
            "hit_us": again,
            "usage_s": round(time.perf_counter() - begin, 2),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
