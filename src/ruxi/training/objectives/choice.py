"""Choosing the reply: the true one is to be found among others by what the dialogue adds to each.

    loss = -log softmax(s / temperature)[true],   s = log p(reply | persona, dialogue, media) - log p(reply)

The difference is the pointwise mutual information of reply and context, by which replies are ranked in evaluation
(domain-conditional PMI, Holtzman et al., EMNLP 2021); with it the loss is InfoNCE (van den Oord et al., 2018). What a
reply is worth alone comes from the model as it is and carries no gradient, so that a reply is found because it belongs
here and not because others are made unlikely everywhere.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ruxi.training.batch import Choices
from ruxi.training.objectives.base import Loss, Pass, pass_in_step, without_dropout
from ruxi.training.objectives.reply import token_losses


class Choice:
    """InfoNCE over the replies of a choice.

    Args:
        temperature: Above 1 a clear choice still teaches.
    """

    name = "choice"
    further: tuple[str, ...] = ()

    def __init__(self, temperature: float = 1.0) -> None:
        self.temperature = temperature

    def __call__(self, run: Pass) -> Loss | None:
        """Sum over choices."""
        choices = run.batch.choices
        if choices is None:
            pass_in_step(run)
            return None
        scores = gains(run, choices) / self.temperature
        right = torch.zeros(len(scores), dtype=torch.long, device=scores.device)
        total = F.cross_entropy(scores, right, reduction="sum")
        return Loss(total, len(scores), int((scores.argmax(-1) == right).sum()))


def gains(run: Pass, choices: Choices) -> Tensor:
    """What the dialogue adds to the log-likelihood of each reply in nats, float32 `[choices, size]`."""
    known = _worth(run, run.hidden, choices.here, choices)
    with torch.no_grad(), without_dropout(run.model):
        alone = _worth(run, Pass(run.model, choices.alone).hidden, choices.there, choices)
    return (known - alone).view(-1, choices.size)


def _worth(run: Pass, hidden: Tensor, at: Tensor, choices: Choices) -> Tensor:
    """Log-likelihood of each reply."""
    losses = token_losses(run, hidden[at[:, 0], at[:, 1]], choices.tokens)
    return losses.new_zeros(int(choices.candidate[-1]) + 1).index_add(0, choices.candidate, -losses)
