"""Supervised role-play: the likelihood of the character's own words.

Logits exist only where there is a label, a chunk of positions at a time. The language head is frozen, so its gradient
needs no weights' part: each chunk's gradient with respect to the hidden states is worked out in the forward pass and
the logits are thrown away, which keeps one chunk of `[chunk, vocabulary]` in memory and no second matrix product of
recomputation.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ruxi.training.objectives.base import Loss, Pass

CHUNK = 512
"""Positions whose logits exist at the same time."""


class Reply:
    """Cross-entropy of the character's tokens, in nats."""

    name = "reply"
    further: tuple[str, ...] = ()

    def __call__(self, run: Pass) -> Loss | None:
        """Sum over the labelled tokens."""
        hidden, targets = labelled_positions(run.hidden, run.batch.labels)
        if not len(targets):
            return None
        return Loss(token_losses(run, hidden, targets).sum(), len(targets))


def labelled_positions(hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Hidden states `[k, d]` of the positions before a label, and the labels `[k]`.

    Args:
        hidden: `[rows, n, d]`.
        labels: `[rows, n]`, -100 where there is none.
    """
    following = labels[:, 1:]
    chosen = following != -100
    return hidden[:, :-1][chosen], following[chosen]


def token_losses(run: Pass, hidden: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of each target in nats, float32 `[k]`, differentiable with respect to `hidden`."""
    head = frozen_head(run)
    if head is not None:
        losses: Tensor = _FrozenHeadCrossEntropy.apply(hidden, head, targets)
        return losses
    return torch.cat(
        [
            F.cross_entropy(run.model.logits(states).float(), wanted, reduction="none")
            for states, wanted in zip(hidden.split(CHUNK), targets.split(CHUNK), strict=True)
        ]
    )


def frozen_head(run: Pass) -> Tensor | None:
    """The language head's weight `[vocabulary, d]` when logits are nothing but its product and it is not trained."""
    head = run.model.get_output_embeddings()
    config = run.model.language_model.config.get_text_config()
    weight = head.weight
    assert isinstance(weight, Tensor)  # noqa: S101 - a linear layer has one
    plain = getattr(config, "final_logit_softcapping", None) is None and getattr(head, "bias", None) is None
    return weight if plain and not weight.requires_grad else None


class _FrozenHeadCrossEntropy(torch.autograd.Function):
    """Per-token cross-entropy through a linear head that is not trained."""

    @staticmethod
    def forward(context: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        losses = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        gradient = torch.empty_like(hidden) if hidden.requires_grad else None
        for start in range(0, len(targets), CHUNK):
            span = slice(start, start + CHUNK)
            wanted = targets[span]
            logits = (hidden[span].to(weight.dtype) @ weight.T).float()
            log_probabilities = F.log_softmax(logits, dim=-1)
            losses[span] = -log_probabilities.gather(1, wanted[:, None])[:, 0]
            if gradient is not None:
                slope = log_probabilities.exp_()
                slope[torch.arange(len(wanted), device=slope.device), wanted] -= 1.0
                gradient[span] = (slope.to(weight.dtype) @ weight).to(gradient.dtype)
        context.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(context: Any, *upstream: Tensor) -> tuple[Tensor | None, None, None]:
        (gradient,) = context.saved_tensors
        return (gradient * upstream[0][:, None].to(gradient.dtype) if gradient is not None else None), None, None
