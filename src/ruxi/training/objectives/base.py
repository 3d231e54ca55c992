"""What an objective is, and what the forward pass leaves for it to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ruxi.model import RolePlayForCausalLM, Streams
from ruxi.training.packing import Batch


@dataclass(frozen=True)
class Pass:
    """One forward pass over a batch, shared by all objectives.

    Attributes:
        model: The model.
        batch: What went in.
        streams: Media and guidance as encoded.
        hidden: Last hidden states `[rows, n, d]`.
    """

    model: RolePlayForCausalLM
    batch: Batch
    streams: Streams
    hidden: Tensor


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
