"""What the tokens of one chat may attend to: its media and the guidance of its reply, laid side by side by stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ruxi.runtime.onnx.bundle import Bundle
from ruxi.runtime.onnx.graphs import Encoded, Floats
from ruxi.runtime.onnx.layout import GUIDANCE_TOKENS, Integers, Place

_NEVER = np.iinfo(np.int64).max
"""Turn of what pads a stream: no token sees it."""


class Attended:
    """The streams of one chat, for fusion by cross-attention.

    Args:
        bundle: The model.
        places: The chat's media, by turn.
        encoded: Each of them, encoded.

    Attributes:
        keys: `[sets, streams * heads, m, head_width]`, stream by stream.
        values: Likewise.
    """

    def __init__(self, bundle: Bundle, places: Sequence[Place], encoded: Sequence[Encoded]) -> None:
        fusion = bundle.config.fusion
        self._heads = fusion.heads
        self._guided = bundle.config.guidance is not None
        lengths = dict.fromkeys(fusion.streams, 0)
        for place, medium in zip(places, encoded, strict=True):
            lengths[place.stream] += medium.keys.shape[2]
        longest = max([*lengths.values(), GUIDANCE_TOKENS if self._guided else 0])
        shape = (fusion.sets, len(fusion.streams) * fusion.heads, longest, fusion.head_width)
        self.keys, self.values = np.zeros((2, *shape), np.float32)
        self._turns = np.full((len(fusion.streams), longest), _NEVER)
        filled = dict.fromkeys(fusion.streams, 0)
        for place, medium in zip(places, encoded, strict=True):
            stream, begin = fusion.streams.index(place.stream), filled[place.stream]
            filled[place.stream] = end = begin + medium.keys.shape[2]
            self._put(stream, begin, end, place.turn, medium)

    def guide(self, turn: int, guidance: Encoded) -> None:
        """Take in the guidance of a reply, in place of that of an earlier one.

        Args:
            turn: The reply's turn; its tokens alone see the guidance.
            guidance: What the guidance graph gave.
        """
        self._put(len(self._turns) - 1, 0, GUIDANCE_TOKENS, turn, guidance)

    def _put(self, stream: int, begin: int, end: int, turn: int, medium: Encoded) -> None:
        heads = slice(stream * self._heads, (stream + 1) * self._heads)
        self.keys[:, heads, begin:end] = medium.keys
        self.values[:, heads, begin:end] = medium.values
        self._turns[stream, begin:end] = turn

    def visible(self, turns: Integers) -> npt.NDArray[np.bool_]:
        """What tokens may attend to.

        Args:
            turns: Turn of each token, `[n]`.

        Returns:
            `[n, streams, m]`; m ends with the last media token that any of them sees.
        """
        seen: npt.NDArray[np.bool_] = self._turns <= turns[:, None, None]
        if self._guided:
            seen[:, -1] = self._turns[-1] == turns[:, None]
        columns = np.flatnonzero(seen.any(axis=(0, 1)))
        return seen[:, :, : columns[-1] + 1 if len(columns) else 0]

    def media_seen(self, turn: int) -> tuple[npt.NDArray[np.bool_], Floats, Floats]:
        """The media, without guidance, for a token of a turn: `visible` `[streams, m]`, keys and values of set 0."""
        streams = len(self._turns) - self._guided
        seen: npt.NDArray[np.bool_] = self._turns[:streams] <= turn
        heads = streams * self._heads
        return seen, self.keys[0, :heads], self.values[0, :heads]


class Inserted:
    """The media of one chat, for prefix fusion: what stands in place of tokens.

    Args:
        encoded: The chat's media in the order in which they stand, encoded.
        ids: The positions of its layout.
    """

    def __init__(self, encoded: Sequence[Encoded], ids: Integers) -> None:
        states = [medium.states for medium in encoded if medium.states is not None]
        self._media = np.concatenate(states) if states else None
        self._rank = np.cumsum(ids < -GUIDANCE_TOKENS) - 1
        self._guidance: Floats | None = None

    def guide(self, guidance: Encoded) -> None:
        """Take in the guidance of a reply, in place of that of an earlier one."""
        self._guidance = guidance.states

    def states(self, ids: Integers, begin: int, width: int) -> Floats:
        """What stands at some positions.

        Args:
            ids: Their ids, `[n]`.
            begin: The first of them.
            width: Width of the hidden states.

        Returns:
            `[n, width]`, zeros where a token stands.
        """
        states = np.zeros((len(ids), width), np.float32)
        for index in np.flatnonzero(ids < 0):
            if ids[index] >= -GUIDANCE_TOKENS:
                assert self._guidance is not None  # noqa: S101 - made at the section's start
                states[index] = self._guidance[-1 - ids[index]]
            else:
                assert self._media is not None  # noqa: S101 - its positions were made from the same media
                states[index] = self._media[self._rank[begin + index]]
        return states
