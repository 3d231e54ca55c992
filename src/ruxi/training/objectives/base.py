"""What an objective is, and what the forward pass leaves for it to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from torch import Tensor

from ruxi.model import RolePlayForCausalLM, Streams
from ruxi.training.packing import Batch


@dataclass
class Pass:
    """One forward pass over a batch, shared by all objectives; what none of them reads is not computed.

    Attributes:
        model: The model.
        batch: What went in.
        encode: Encodes media and guidance.
        decode: Runs the decoder on the text with the streams that it is given.
    """

    model: RolePlayForCausalLM
    batch: Batch
    encode: Callable[[], Streams]
    decode: Callable[[Streams], Tensor]

    @cached_property
    def streams(self) -> Streams:
        """Media and guidance as encoded."""
        return self.encode()

    @cached_property
    def hidden(self) -> Tensor:
        """Last hidden states `[rows, n, d]`."""
        return self.decode(self.streams)


@dataclass(frozen=True)
class Loss:
    """A sum of losses with the number of things that it sums over, so that batches can be put together exactly.

    Attributes:
        total: Sum, a scalar that carries gradients.
        count: Over how many tokens, turns or pairs.
        correct: How many of them were right, for objectives that choose; None for others.
    """

    total: Tensor
    count: int
    correct: int | None = None


class Objective(Protocol):
    """A loss on a forward pass.

    Attributes:
        name: Its field in a recipe's `objectives`.
    """

    name: str

    def __call__(self, run: Pass) -> Loss | None:
        """The loss of a batch; None when the batch has nothing for it."""
        ...
