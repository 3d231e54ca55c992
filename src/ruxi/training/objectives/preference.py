"""Direct preference optimisation (Rafailov et al., 2023) on pairs of replies.

    loss = -log sigmoid(beta * ((log p(better) - log q(better)) - (log p(worse) - log q(worse))))

with the model p and the reference q, whose log-likelihoods were computed once (`ruxi.training.reference`). Both replies
of a pair stand in one row; for pairs of the kind `wrong_picture` they are the same words, seen beside another picture.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ruxi.training.objectives.base import Loss, Pass
from ruxi.training.objectives.reply import labelled_positions, token_losses
from ruxi.training.pairs import PAIR_KINDS


class Preference:
    """The sigmoid loss of DPO.

    Args:
        beta: How strongly the model is held to the reference.
    """

    name = "preference"
    further = ("margin", *(f"{kind}_accuracy" for kind in PAIR_KINDS))

    def __init__(self, beta: float) -> None:
        self.beta = beta

    def __call__(self, run: Pass) -> Loss | None:
        """Sum over pairs; the margin is beta times the difference of the log-ratios, and above 0 for a right pair."""
        pairs = run.batch.pairs
        if not len(pairs):
            return None
        ratios = pair_likelihoods(run) - run.batch.references
        margins = self.beta * (ratios[:, 0] - ratios[:, 1])
        right = margins > 0
        further = {"margin": (float(margins.detach().sum()), len(pairs))}
        for index, kind in enumerate(PAIR_KINDS):
            mine = pairs[:, 3] == index
            if mine.any():
                further[f"{kind}_accuracy"] = (float(right[mine].sum()), int(mine.sum()))
        return Loss(-F.logsigmoid(margins).sum(), len(pairs), int(right.sum()), further)


def pair_likelihoods(run: Pass) -> Tensor:
    """Log-likelihood in nats of the better and the worse reply of each pair, float32 `[pairs, 2]`."""
    batch = run.batch
    hidden, targets = labelled_positions(run.hidden, batch.pair_labels)
    losses = token_losses(run, hidden, targets)
    rows, positions = (batch.pair_labels[:, 1:] != -100).nonzero(as_tuple=True)
    segments = batch.segment_ids[rows, positions + 1]
    sums = losses.new_zeros(len(batch.input_ids), int(batch.segment_ids.max()) + 1)
    sums = sums.index_put((rows, segments), -losses, accumulate=True)
    row, better, worse, _ = batch.pairs.unbind(1)
    return torch.stack([sums[row, better], sums[row, worse]], dim=1)
