"""An extractor's version: a digest of everything that its features depend on besides the medium."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ruxi.files import sha256_of_bytes
from ruxi.weights import catalogue

Setting = str | int | float | bool | None


def version_of(digests: Iterable[str], settings: Mapping[str, Setting]) -> str:
    """Sixteen hexadecimal digits that change with the weights or a setting.

    Args:
        digests: SHA-256 of the weights' files.
        settings: What else decides the values, by name; a `revision` counts changes of our own code.
    """
    facts = {"weights": sorted(digests), "settings": dict(settings)}
    return sha256_of_bytes(json.dumps(facts, sort_keys=True).encode())[:16]


def pinned_digests(part: str) -> list[str]:
    """The digests of a pinned part's files, known without reading or even having them."""
    return [file.sha256 for file in catalogue.PARTS[part].files]
