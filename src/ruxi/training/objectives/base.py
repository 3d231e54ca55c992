"""What an objective is, and what the forward pass leaves for it to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

from ruxi.model import RolePlayForCausalLM, Streams
from ruxi.training.batch import Batch


@dataclass
class Pass:
    """One forward pass over a batch, shared by all objectives; what none of them reads is not computed.

    Attributes:
        model: The model.
        batch: What goes in.
    """

    model: RolePlayForCausalLM
    batch: Batch

    @cached_property
    def streams(self) -> Streams:
        """Media and guidance as encoded."""
        batch, guidance = self.batch, None
        heads = self.model.guidance
        if heads is not None and len(batch.replies):
            persona = self.model.persona_embedding(
                batch.input_ids, batch.turn_ids, batch.replies[:, 0], batch.segment_ids, batch.replies[:, 1]
            )
            guidance = batch.guidance(persona, heads.emotion_head.out_features, heads.intent_head.out_features)
        return self.model.encode_media(batch.media, guidance, batch=len(batch.input_ids))

    @cached_property
    def hidden(self) -> Tensor:
        """Last hidden states `[rows, n, d]`."""
        hidden: Tensor = self.model.decode(
            self.batch.input_ids,
            attention_mask=self.batch.attention_mask,
            turn_ids=self.batch.turn_ids,
            segment_ids=self.batch.segment_ids,
            branch_ids=self.batch.branch_ids,
            streams=self.streams,
            use_cache=False,
        )["last_hidden_state"]
        return hidden


@contextmanager
def without_dropout(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def is_sharded(module: nn.Module) -> bool:
    """Whether FSDP has spread parameters of the module over processes."""
    return any(isinstance(part, FSDPModule) for part in module.modules())


def pass_in_step(run: Pass) -> None:
    """Run the decoder where other processes have a second pass and this one has none.

    Sharded weights are gathered by all processes together, by those with nothing to read as well.
    """
    if is_sharded(run.model):
        with torch.no_grad():
            _ = Pass(run.model, run.batch).hidden


@dataclass(frozen=True)
class Loss:
    """A sum of losses with the number of things that it sums over, so that batches can be put together exactly.

    Attributes:
        total: Sum, a scalar that carries gradients.
        count: Over how many tokens, turns or pairs.
        correct: How many of them were right, for objectives that choose; None for others.
        further: More measures of the objective by name, each a sum and the number of things in it.
    """

    total: Tensor
    count: int
    correct: int | None = None
    further: Mapping[str, tuple[float, int]] = field(default_factory=dict)


class Objective(Protocol):
    """A loss on a forward pass.

    Attributes:
        name: Its field in a recipe's `objectives`.
        further: Names of its further measures.
    """

    name: str
    further: tuple[str, ...]

    def __call__(self, run: Pass) -> Loss | None:
        """The loss of a batch; None when the batch has nothing for it."""
        ...
