"""How far the model's next-token distribution is from a teacher's, over the whole vocabulary, without keeping logits.

Like the reply loss (`ruxi.training.objectives.reply`), a chunk of positions at a time: with a frozen head each chunk's
gradient with respect to the hidden states is worked out in the forward pass, and both distributions are thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ruxi.training.objectives.base import Pass
from ruxi.training.objectives.reply import CHUNK, frozen_head

TeacherLogits = Callable[[slice], Tensor]
"""The teacher's logits `[chunk, vocabulary]` at some of the positions."""


def divergences(run: Pass, hidden: Tensor, teacher: TeacherLogits, *, temperature: float = 1.0) -> Tensor:
    """KL(teacher ‖ model) at each position in nats, float32 `[k]`, differentiable with respect to `hidden`.

    Both distributions are softened by the temperature and the result is multiplied by its square, so that gradients
    keep their size (Hinton et al., 2015). Where one vocabulary is padded, the tokens that both have are compared.

    Args:
        run: The forward pass that the hidden states come from.
        hidden: `[k, d]`.
        teacher: Called with spans of the positions, in order.
        temperature: Above 1 the unlikely tokens count for more.
    """
    head = frozen_head(run)
    if head is not None:
        found: Tensor = _FrozenHeadDivergence.apply(hidden, head, teacher, temperature)
        return found

    def chunk(states: Tensor, wanted: Tensor) -> Tensor:
        return _divergence(run.model.logits(states), wanted, temperature)[0]

    # The logits of a chunk are computed again for its gradient, so that only one chunk of them is ever kept.
    pieces = [checkpoint(chunk, hidden[span], teacher(span), use_reentrant=False) for span in _spans(len(hidden))]
    return torch.cat(pieces) if pieces else hidden.new_zeros(0, dtype=torch.float32)


def _spans(length: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, length, CHUNK)]


def _divergence(logits: Tensor, teacher: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """The divergence of each row, and the log-probabilities of model and teacher."""
    shared = min(logits.shape[-1], teacher.shape[-1])
    own = F.log_softmax(logits[:, :shared].float() / temperature, dim=-1)
    wanted = F.log_softmax(teacher[:, :shared].float() / temperature, dim=-1)
    return (wanted.exp() * (wanted - own)).sum(-1) * temperature**2, own, wanted


class _FrozenHeadDivergence(torch.autograd.Function):
    """Divergence through a linear head that is not trained."""

    @staticmethod
    def forward(context: Any, hidden: Tensor, weight: Tensor, teacher: TeacherLogits, temperature: float) -> Tensor:
        found = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        gradient = torch.empty_like(hidden) if hidden.requires_grad else None
        for span in _spans(len(hidden)):
            logits = hidden[span].to(weight.dtype) @ weight.T
            found[span], own, wanted = _divergence(logits, teacher(span), temperature)
            if gradient is not None:
                slope = own.exp_().sub_(wanted.exp_()).mul_(temperature).to(weight.dtype)
                gradient[span] = (slope @ weight[: slope.shape[-1]]).to(gradient.dtype)
        context.save_for_backward(gradient)
        return found

    @staticmethod
    def backward(context: Any, *upstream: Tensor) -> tuple[Tensor | None, None, None, None]:
        (gradient,) = context.saved_tensors
        return (
            (gradient * upstream[0][:, None].to(gradient.dtype) if gradient is not None else None),
            None,
            None,
            None,
        )
