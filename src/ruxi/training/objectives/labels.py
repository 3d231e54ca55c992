"""Auxiliary losses of the guidance's heads: the emotion and the intent at the end of a turn."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ruxi.training.objectives.base import Loss, Pass


class Emotion:
    """Cross-entropy of the emotion head."""

    name = "emotion"
    further: tuple[str, ...] = ()

    def __call__(self, run: Pass) -> Loss | None:
        """Sum over the turns whose emotion is known."""
        return _head_loss(run, run.batch.emotions, "emotion")


class Intent:
    """Cross-entropy of the intent head."""

    name = "intent"
    further: tuple[str, ...] = ()

    def __call__(self, run: Pass) -> Loss | None:
        """Sum over the turns whose intent is known."""
        return _head_loss(run, run.batch.intents, "intent")


def _head_loss(run: Pass, labels: Tensor, head: str) -> Loss | None:
    known = labels >= 0
    if not known.any():
        return None
    perception = run.model.perceive(
        run.hidden,
        run.batch.turn_rows[known],
        run.batch.turn_ends[known],
        run.batch.turn_ids,
        run.streams,
        run.batch.segment_ids,
    )
    logits = perception.emotion_logits if head == "emotion" else perception.intent_logits
    wanted = labels[known]
    return Loss(
        F.cross_entropy(logits.float(), wanted, reduction="sum"),
        len(wanted),
        int((logits.argmax(-1) == wanted).sum()),
    )
