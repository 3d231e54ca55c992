"""Personas that were read before, kept on disk for the next start.

The persona is the longest part of a first prompt and the same whenever a character wakes up. Its keys and values are
those of whole blocks, so a prompt that takes them over gives the same numbers as one that reads it anew. A file's name
is made of the model, the library and the tokens; whatever does not fit is read anew.
"""

from __future__ import annotations

import json
import logging
import os
import platform
from pathlib import Path

import numpy as np

from ruxi import files
from ruxi.prompt import PERSONA_TURN
from ruxi.runtime.onnx import bundle as contract
from ruxi.runtime.onnx.bundle import Bundle
from ruxi.runtime.onnx.layout import Layout
from ruxi.runtime.onnx.memory import BLOCK, Memory, Slot

_log = logging.getLogger("ruxi")

_LEAST_TOKENS = 4 * BLOCK
"""A shorter persona is read about as fast as it is looked for."""

_MOST_BYTES = 2**28
"""Of all files together; those that were unused for longest go."""


class Personas:
    """The personas of one model on disk.

    Args:
        folder: Where they are kept, with those of other models.
        bundle: The model.
        memory: Where their keys and values are used.
    """

    def __init__(self, folder: Path, bundle: Bundle, memory: Memory) -> None:
        from onnxruntime import __version__

        digests = [bundle.config.files[name] for name in (contract.DECODER, contract.DECODER_DATA)]
        self._facts = [*digests, __version__, platform.machine()]
        self._folder = folder
        self._memory = memory

    def recall(self, layout: Layout, slot: Slot) -> None:
        """Let a slot begin with a prompt's persona, if it was read before and the slot holds less of it."""
        length = _length(layout)
        if length < _LEAST_TOKENS or slot.length >= length:
            return
        path = self._path(layout, length)
        try:
            kept = np.load(path, mmap_mode="r", allow_pickle=False)
            if (kept.shape, kept.dtype) != (self._memory.shape_of(length), np.float32):
                raise ValueError(f"{kept.dtype} {kept.shape} instead of keys and values")
            os.utime(path)
        except FileNotFoundError:
            return
        except (OSError, ValueError, EOFError) as error:
            _log.warning("%s: the persona is read anew: %s", path, error)
            path.unlink(missing_ok=True)
            return
        self._memory.fill(slot, kept, layout)

    def keep(self, layout: Layout, slot: Slot) -> None:
        """Keep a prompt's persona, unless it is kept already, too short, or was not read to its end."""
        length = _length(layout)
        if length < _LEAST_TOKENS or slot.steady < length or not np.array_equal(slot.ids[:length], layout.ids[:length]):
            return
        path = self._path(layout, length)
        try:
            if path.exists():
                return
            with files.writing(path) as file:
                np.save(file, self._memory.beginning(slot, length), allow_pickle=False)
            self._tidy()
        except OSError as error:  # a full disk is no reason to fall silent
            _log.warning("%s: the persona is not kept: %s", self._folder, error)

    def _path(self, layout: Layout, length: int) -> Path:
        facts = [*self._facts, layout.ids[:length].tolist()]
        return self._folder / f"{files.sha256_of_bytes(json.dumps(facts).encode())[:32]}.npy"

    def _tidy(self) -> None:
        found = [(path.stat(), path) for path in self._folder.glob("*.npy")]
        total = 0
        for status, path in sorted(found, key=lambda one: one[0].st_mtime_ns, reverse=True):
            total += status.st_size
            if total > _MOST_BYTES and total > status.st_size:
                path.unlink(missing_ok=True)


def _length(layout: Layout) -> int:
    """How many positions of a prompt are its persona, in whole blocks."""
    other = layout.turns != PERSONA_TURN
    persona = int(other.argmax()) if other.any() else len(other)
    return min(persona, layout.latest) // BLOCK * BLOCK
