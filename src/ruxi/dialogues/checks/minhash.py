"""Which dialogues share most of their words: MinHash signatures with locality-sensitive hashing, on disk.

Broder, "On the resemblance and containment of documents", 1997. The signatures come from datasketch; its own LSH index
keeps everything in memory, so the bands are compared here, one at a time, on a file that is mapped into memory: a
million dialogues take half a gigabyte of temporary disk and some ten bytes of memory each.
"""

from __future__ import annotations

import mmap
from array import array
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ruxi.dialogues.extra import require_extra

PERMUTATIONS = 128
_BANDS, _ROWS = 25, 5
"""25 bands of 5 values find 99.99 % of the pairs with a similarity of 0.8, and 80 % of those with 0.55."""
_SHINGLE = 3
_FEWEST_WORDS = 8
"""Below this a text is too short to say that another one resembles it by more than chance."""
_ROUNDS = 4
_CHUNK = 32_768


class Matches:
    """For every text the earlier text that it resembles most, if any.

    Attributes:
        rows: Row of each compared text, int64 `[n]`, ascending.
        partner: Index of the earlier text, -1 for none, int32 `[n]`.
        similarity: Estimated Jaccard similarity of the two sets of three-word sequences, float32 `[n]`.
    """

    def __init__(self, signatures: npt.NDArray[np.uint32], rows: npt.NDArray[np.int64], threshold: float) -> None:
        self.rows = rows
        self.partner = np.full(len(rows), -1, dtype=np.int32)
        self.similarity = np.zeros(len(rows), dtype=np.float32)
        self._signatures = signatures
        for band in range(_BANDS):
            _match_band(signatures, band, threshold, self.partner, self.similarity)

    def compare(self, one: int, other: int) -> float:
        """Estimated similarity of two texts, by their indices."""
        return float((self._signatures[one] == self._signatures[other]).mean())


class Signatures:
    """The MinHash signatures of all texts of a run.

    Args:
        file: A temporary file for them.
    """

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file = file.open("wb")
        self._rows = array("q")
        self._template: Any = require_extra("datasketch").MinHash(num_perm=PERMUTATIONS, hashfunc=int)

    def add(self, row: int, words: list[str]) -> bool:
        """Remember a text; return False for one that is too short to compare."""
        if len(words) < _FEWEST_WORDS:
            return False
        signature = self._template.copy()
        signature.update_batch(shingles_of(words).tolist())
        self._file.write(signature.hashvalues.astype(np.uint32).tobytes())
        self._rows.append(row)
        return True

    def matches(self, threshold: float) -> Matches:
        """Compare all texts.

        Args:
            threshold: Least similarity between 0 and 1.
        """
        self._file.close()
        rows = np.frombuffer(self._rows, dtype=np.int64)
        shape = (len(rows), PERMUTATIONS)
        empty = np.zeros(shape, dtype=np.uint32)
        signatures = np.memmap(self._path, dtype=np.uint32, mode="r", shape=shape) if len(rows) else empty
        return Matches(signatures, rows, threshold)


def shingles_of(words: list[str]) -> npt.NDArray[np.uint32]:
    """One 32-bit hash for every sequence of three words, uint32 `[len(words) - 2]`."""
    encoded = "\n".join(words).encode("utf-8", "surrogatepass").split(b"\n")
    hashes = np.fromiter(map(crc32, encoded), np.uint32, len(words))
    windows = np.lib.stride_tricks.sliding_window_view(hashes, min(_SHINGLE, len(hashes)))
    mixed = np.zeros(len(windows), dtype=np.uint32)
    for column in windows.T:
        mixed = (mixed ^ column) * np.uint32(0x9E3779B1)
        mixed ^= mixed >> np.uint32(15)
    return np.unique(mixed)


def _match_band(
    signatures: npt.NDArray[np.uint32],
    band: int,
    threshold: float,
    partner: npt.NDArray[np.int32],
    similarity: npt.NDArray[np.float32],
) -> None:
    """Compare the texts whose values agree in one band, each with the first of its group.

    A text that does not resemble the first is compared with the first of those that are left, for a few rounds, so
    that the work grows with the number of texts and not with its square.
    """
    keys = _band_keys(signatures, band)
    order = np.argsort(keys, kind="stable").astype(np.int64)
    ordered = keys[order]
    for _ in range(_ROUNDS):
        starts = np.flatnonzero(np.r_[len(ordered) > 0, ordered[1:] != ordered[:-1]])
        sizes = np.diff(np.r_[starts, len(ordered)])
        firsts = np.repeat(order[starts], sizes)
        is_later = np.ones(len(order), dtype=bool)
        is_later[starts] = False
        later, first = order[is_later], firsts[is_later]
        if not len(later):
            return
        found = _similarities(signatures, first, later)
        better = (found >= threshold) & (found > similarity[later])
        partner[later[better]], similarity[later[better]] = first[better], found[better]
        left = np.zeros(len(order), dtype=bool)
        left[np.flatnonzero(is_later)[found < threshold]] = True
        order, ordered = order[left], ordered[left]


def _band_keys(signatures: npt.NDArray[np.uint32], band: int) -> npt.NDArray[np.uint64]:
    keys = np.zeros(len(signatures), dtype=np.uint64)
    for start in range(0, len(signatures), _CHUNK):
        part = np.asarray(signatures[start : start + _CHUNK, band * _ROWS : (band + 1) * _ROWS], dtype=np.uint64)
        _give_back(signatures)
        mixed = np.zeros(len(part), dtype=np.uint64)
        for column in part.T:
            mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        keys[start : start + _CHUNK] = mixed
    return keys


def _similarities(
    signatures: npt.NDArray[np.uint32], first: npt.NDArray[np.int64], later: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    found = np.empty(len(later), dtype=np.float32)
    for start in range(0, len(later), _CHUNK // 8):
        part = slice(start, start + _CHUNK // 8)
        found[part] = (signatures[first[part]] == signatures[later[part]]).mean(axis=1)
        _give_back(signatures)
    return found


def _give_back(signatures: npt.NDArray[np.uint32]) -> None:
    """Let the system take back the pages of the file that were read; without this they count as our memory."""
    mapped = getattr(signatures, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
