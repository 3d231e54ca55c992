"""Passes of the decoder over one chat's tokens or over the next tokens of several chats.

Present keys and values are bound to the memory of the past ones, so a pass writes where the next one reads. What is
bound for the next tokens of the same chats stays bound: a step then costs the graph and a few small writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ruxi.errors import EngineError
from ruxi.runtime.onnx.attended import Attended
from ruxi.runtime.onnx.bundle import Bundle
from ruxi.runtime.onnx.graphs import Floats
from ruxi.runtime.onnx.layout import Integers
from ruxi.runtime.onnx.memory import Memory, Slot

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, IOBinding


@dataclass(frozen=True)
class Read:
    """Positions that one chat reads in one pass.

    Attributes:
        ids: What stands there, `[n]`.
        turns: Turn of each.
        keep: Which of them have results, as indices into `ids`.
        attended: What they may attend to, for fusion by cross-attention.
        states: What stands in place of tokens `[n, d]`, for prefix fusion; None when all are tokens.
    """

    ids: Integers
    turns: Integers
    keep: Sequence[int]
    attended: Attended | None = None
    states: Floats | None = None


@dataclass(frozen=True)
class Result:
    """What a pass gives for the positions that were kept; valid until the next pass.

    Attributes:
        logits: `[kept, vocabulary]`.
        hidden_states: `[kept, d]`.
    """

    logits: Floats
    hidden_states: Floats


class Decoder:
    """Runs the decoder on slots of a memory; for one thread at a time.

    Args:
        bundle: The bundle.
        memory: The keys and values.
        session: The decoder's session.
    """

    def __init__(self, bundle: Bundle, memory: Memory, session: InferenceSession) -> None:
        self._bundle = bundle
        self._memory = memory
        self._session = session
        self._frames: dict[tuple[int, int], _Frame] = {}

    def read(self, slot: Slot, read: Read) -> Result:
        """Read some positions of one chat."""
        frame = self._frame(slot.place, 1)
        frame.begin(len(read.ids), len(read.keep), None)
        frame.fill(0, slot, read)
        return self._run(frame, [slot], [read])[0]

    def step(self, slots: Sequence[Slot], reads: Sequence[Read]) -> list[Result]:
        """Read the next position of several chats.

        Args:
            slots: Their slots; neighbours, by place.
            reads: One position each.
        """
        frame = self._frame(slots[0].place, len(slots))
        frame.begin(1, 1, tuple((read.attended, int(read.turns[0])) for read in reads))
        for row, (slot, read) in enumerate(zip(slots, reads, strict=True)):
            frame.fill(row, slot, read)
        return self._run(frame, slots, reads)

    def _frame(self, first: int, rows: int) -> _Frame:
        if (first, rows) not in self._frames:
            self._frames[first, rows] = _Frame(self._bundle, self._memory, self._session, first, rows)
        return self._frames[first, rows]

    def _run(self, frame: _Frame, slots: Sequence[Slot], reads: Sequence[Read]) -> list[Result]:
        results = frame.run(reads)
        for slot, read in zip(slots, reads, strict=True):
            slot.add(read.ids, read.turns)
        return results


class _Frame:
    """The arrays of passes over the same slots, and what binds them to the graph."""

    def __init__(self, bundle: Bundle, memory: Memory, session: InferenceSession, first: int, rows: int) -> None:
        self._bundle = bundle
        self._session = session
        self._rows = rows
        self._binding: IOBinding = session.io_binding()
        self._bound: dict[str, npt.NDArray[Any]] = {}
        self._shape = (0, 0)
        self._attending: object = None
        self._lengths = self._array("query_seqlens", np.zeros(rows, np.int32))
        self._last = self._array("seqlens_k", np.zeros(rows, np.int32))
        self._total = self._array("total_sequence_length", np.zeros((), np.int32))
        for layer, pair in enumerate(zip(memory.keys, memory.values, strict=True)):
            for name, array in zip(("key", "value"), pair, strict=True):
                part = array[first : first + rows]
                self._array(f"past_{name}_{layer}", part)
                self._output(f"present_{name}_{layer}", part)

    def begin(self, length: int, kept: int, attending: object) -> None:
        """Make room for a pass.

        Args:
            length: Positions of each row.
            kept: Positions of each row that have results.
            attending: What the rows attend to; media are bound anew only when it changes, or for None.
        """
        if self._shape != (length, kept):
            self._shape = (length, kept)
            sizes = self._bundle.config.shape
            self._ids = self._array("input_ids", np.zeros((self._rows, length), np.int64))
            self._keep = self._array("keep", np.zeros((self._rows, kept), np.int64))
            self._logits = self._output("logits", np.empty((self._rows, kept, sizes.vocabulary), np.float32))
            self._states = self._output("hidden_states", np.empty((self._rows, kept, sizes.width), np.float32))
            self._attending = None
        self._rebind = attending is None or attending != self._attending
        self._attending = attending

    def fill(self, row: int, slot: Slot, read: Read) -> None:
        """Set one row's tokens."""
        self._ids[row] = read.ids
        self._keep[row] = read.keep
        self._lengths[row] = len(read.ids)
        self._last[row] = slot.length + len(read.ids) - 1

    def run(self, reads: Sequence[Read]) -> list[Result]:
        """Run the pass."""
        self._total[...] = self._last.max() + 1
        if self._bundle.is_prefix:
            self._place_media(reads)
        elif self._rebind and self._bundle.fuses:
            self._attend(reads)
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # the library's errors have no base class of their own
            raise EngineError(
                f"ONNX Runtime failed: {' '.join(str(error).split())[:300]}", where=self._bundle.config.name
            ) from error
        return [Result(logits, states) for logits, states in zip(self._logits, self._states, strict=True)]

    def _attend(self, reads: Sequence[Read]) -> None:
        """Lay the media of all rows side by side, padded to the longest."""
        fusion = self._bundle.config.fusion
        seen = [None if read.attended is None else read.attended.visible(read.turns) for read in reads]
        most = max(0 if one is None else one.shape[2] for one in seen)
        visible = np.zeros((self._rows, self._shape[0], len(fusion.streams), most), dtype=bool)
        shape = (fusion.sets, self._rows, len(fusion.streams) * fusion.heads, most, fusion.head_width)
        keys, values = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for row, (read, one) in enumerate(zip(reads, seen, strict=True)):
            if read.attended is not None and one is not None:
                size = one.shape[2]
                visible[row, :, :, :size] = one
                keys[:, row, :, :size] = read.attended.keys[:, :, :size]
                values[:, row, :, :size] = read.attended.values[:, :, :size]
        self._array("visible", visible)
        self._array("media_keys", keys)
        self._array("media_values", values)

    def _place_media(self, reads: Sequence[Read]) -> None:
        width = self._bundle.config.shape.width
        self._array("is_media", self._ids < 0)
        states = np.zeros((*self._ids.shape, width), np.float32)
        for row, read in enumerate(reads):
            if read.states is not None:
                states[row] = read.states
        self._array("media_states", states)
        np.maximum(self._ids, 0, out=self._ids)

    def _array(self, name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bind an input to an array's memory; the frame keeps the array."""
        self._bound[name] = array
        self._binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return array

    def _output(self, name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        self._bound[name] = array
        self._binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return array
