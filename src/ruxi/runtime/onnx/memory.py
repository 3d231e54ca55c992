"""Keys and values of the chats' tokens: one allocation a layer, cut into slots of fixed length.

A slot keeps what it read after its chat has ended, until another chat needs the room: the next turn, or another chat
with the same character, goes on from there. A pass of several chats reads neighbouring slots, so slots can change
places. Memory that was never written to costs nothing: the system gives it page by page.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ruxi.runtime.onnx.bundle import Shape
from ruxi.runtime.onnx.layout import Integers, Layout, MediaKey, common_beginning

BLOCK = 32
"""Positions that are read in one pass: few enough that chats which are speaking hardly wait."""


@dataclass
class Slot:
    """What one slot holds.

    Attributes:
        place: Where it stands in the memory.
        ids: What was read, as in a `Layout`; the first `length` count.
        turns: Turn of each.
        length: Positions that were read.
        media: What they could attend to.
        reusable: How many of them another prompt may take over; None for all.
        steady: How many of them were read in whole blocks, so that they are the same whoever reads them.
        used: When a chat last began or ended here, as a running number; 0 for never.
        busy: Whether a chat is speaking from it.
    """

    place: int
    ids: Integers
    turns: Integers
    length: int = 0
    media: MediaKey = ()
    reusable: int | None = None
    steady: int = 0
    used: int = 0
    busy: bool = False

    @property
    def lasting(self) -> int:
        """How many positions another prompt could take over."""
        return self.length if self.reusable is None else min(self.reusable, self.length)

    def common(self, layout: Layout) -> int:
        """How many positions a prompt can take over from here."""
        end = self.lasting
        return common_beginning(self.ids[:end], self.turns[:end], self.media, layout)

    def add(self, ids: Integers, turns: Integers) -> None:
        """Note what was read."""
        end = self.length + len(ids)
        self.ids[self.length : end] = ids
        self.turns[self.length : end] = turns
        self.length = end

    def cut(self, length: int) -> None:
        """Forget what stands behind the first positions."""
        self.length = length
        self.steady = min(self.steady, length // BLOCK * BLOCK)


class Memory:
    """The keys and values of all slots.

    Args:
        shape: Sizes of the language model.
        count: Number of slots.
        capacity: Positions of one slot.

    Attributes:
        slots: The slots; `place` says where each stands.
        keys: By layer, `[slots, kv_heads, capacity, head_width]`.
        values: Likewise.
    """

    def __init__(self, shape: Shape, count: int, capacity: int) -> None:
        size = (count, shape.kv_heads, capacity, shape.head_width)
        self.keys = [_by_pages(size) for _ in range(shape.layers)]
        self.values = [_by_pages(size) for _ in range(shape.layers)]
        ids, turns = np.zeros((2, count, capacity), np.int64)
        self.slots = [Slot(place, ids[place], turns[place]) for place in range(count)]

    def copy(self, source: Slot, target: Slot, length: int) -> None:
        """Let a slot begin with the first positions of another one; what it held is lost."""
        for array in (*self.keys, *self.values):
            array[target.place, :, :length] = array[source.place, :, :length]
        target.length, target.steady = 0, source.steady
        target.add(source.ids[:length], source.turns[:length])
        target.cut(length)

    def shape_of(self, length: int) -> tuple[int, ...]:
        """Shape of the keys and values of some positions, `(2 * layers, kv_heads, length, head_width)`."""
        _, kv_heads, _, head_width = self.keys[0].shape
        return 2 * len(self.keys), kv_heads, length, head_width

    def beginning(self, slot: Slot, length: int) -> npt.NDArray[np.float32]:
        """Keys and values of a slot's first positions, see `shape_of`."""
        return np.stack([array[slot.place, :, :length] for array in (*self.keys, *self.values)])

    def fill(self, slot: Slot, beginning: npt.NDArray[np.float32], layout: Layout) -> None:
        """Let a slot begin with the first positions of a prompt, whole blocks; what it held is lost.

        Args:
            slot: The slot.
            beginning: What `beginning` gave for that prompt.
            layout: The prompt.
        """
        length = beginning.shape[2]
        for array, part in zip((*self.keys, *self.values), beginning, strict=True):
            array[slot.place, :, :length] = part
        slot.length = 0
        slot.add(layout.ids[:length], layout.turns[:length])
        slot.steady = length

    def gather(self, slots: Sequence[Slot]) -> list[Slot]:
        """Move as few slots as possible until these are neighbours.

        Returns:
            The same slots, by place.
        """
        size = len(slots)
        places = {slot.place for slot in slots}
        windows = [range(first, first + size) for first in range(len(self.slots) - size + 1)]
        window = max(windows, key=lambda window: sum(place in places for place in window))
        strangers = [slot for slot in self.slots if slot.place in window and slot.place not in places]
        for slot in slots:
            if slot.place not in window:
                self._exchange(slot, strangers.pop())
        return sorted(slots, key=lambda slot: slot.place)

    def _exchange(self, one: Slot, other: Slot) -> None:
        for array in (*self.keys, *self.values):
            kept = array[one.place, :, : one.length].copy()
            array[one.place, :, : other.length] = array[other.place, :, : other.length]
            array[other.place, :, : one.length] = kept
        one.place, other.place = other.place, one.place


def _by_pages(size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Zeros whose memory is taken by small pages: NumPy asks for huge ones, a touch of which clears 2 MiB."""
    memory = mmap.mmap(-1, math.prod(size) * np.dtype(np.float32).itemsize)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.float32).reshape(size)
