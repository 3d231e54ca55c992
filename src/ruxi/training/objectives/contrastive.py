"""Contrastive alignment: InfoNCE between resampled media and sentences about them.

Symmetric cross-entropy over the pairs of a batch (van den Oord et al., 2018; CLIP, Radford et al., 2021). A medium
with several sentences is paired with the mean of their vectors; media of which the same is said are not held against
one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ruxi.errors import ModelError
from ruxi.training.objectives.base import Loss, Pass

SentenceEncoder = Callable[[Sequence[str]], Tensor]
"""Unit vectors `[n, width]` of sentences."""


class Contrastive:
    """InfoNCE over the media of a batch that come with a sentence.

    Args:
        sentences: The frozen sentence encoder.
    """

    name = "contrastive"
    further: tuple[str, ...] = ()

    def __init__(self, sentences: SentenceEncoder) -> None:
        self.sentences = sentences

    def __call__(self, run: Pass) -> Loss | None:
        """Sum over pairs of all streams; a stream with a single pair teaches nothing."""
        if run.model.alignment is None:
            raise ModelError("has no alignment", where="model", remedy="Add `alignment: {}` to the recipe's model.")
        losses = []
        for stream, says in run.batch.says.items():
            chosen = [index for index, words in enumerate(says) if words]
            if len(chosen) < 2:
                continue
            inputs = run.batch.media[stream]
            tokens = run.model.resamplers[stream](inputs.values[chosen], inputs.mask[chosen])
            media = run.model.alignment.embed(stream, tokens)
            vectors = self.sentences([text for index in chosen for text in says[index]])
            several = vectors.split([len(says[index]) for index in chosen])
            meanings = torch.stack([F.normalize(one.mean(dim=0), dim=0) for one in several])
            same = [" ".join(says[index]) for index in chosen]
            losses.append(info_nce(run.model.alignment.similarity(media, meanings), same))
        if not losses:
            return None
        total = torch.stack([loss.total for loss in losses]).sum()
        return Loss(total, sum(loss.count for loss in losses), sum(loss.correct or 0 for loss in losses))


def info_nce(logits: Tensor, words: Sequence[str]) -> Loss:
    """Symmetric InfoNCE of similarities `[pairs, pairs]` whose diagonal holds the right pairs."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(words))}
    meaning = torch.tensor([numbers[text] for text in words], device=logits.device)
    twins = (meaning[:, None] == meaning[None, :]) & ~torch.eye(len(words), dtype=torch.bool, device=logits.device)
    logits = logits.float().masked_fill(twins, float("-inf"))
    right = torch.arange(len(words), device=logits.device)
    total = (F.cross_entropy(logits, right, reduction="sum") + F.cross_entropy(logits.T, right, reduction="sum")) / 2
    return Loss(total, len(words), int((logits.argmax(-1) == right).sum()))
