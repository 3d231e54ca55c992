"""Auxiliary losses of the guidance's heads: the emotion and the intent at the end of a turn."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ruxi.model import GUIDANCE
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


class MediaEmotion:
    """Cross-entropy of each medium's own emotion head, without what the turn says; the language model does not run.

    The emotion head adds what the media show to what the fused states tell. Learnt on that sum alone, heads of media
    get only what the other has left over, and on data that it knows by heart that is nothing; modalities that overfit
    at different rates are better learnt with losses of their own (Wang, Tran and Feiszli, CVPR 2020, arXiv:1905.12681).
    """

    name = "media_emotion"
    further: tuple[str, ...] = ()

    def __call__(self, run: Pass) -> Loss | None:
        """Sum over the turns whose emotion is known and the kinds of media that they show."""
        batch = run.batch
        known = batch.emotions >= 0
        rows = batch.turn_rows[known]
        at = rows, batch.turn_ends[known]
        here = batch.turn_ids[at][:, None], batch.segment_ids[at][:, None]
        found: list[Loss] = []
        for stream in (s.select_rows(rows) for name, s in run.streams.items() if name != GUIDANCE):
            shows = stream.shown(*here)[:, 0].any(-1)
            logits = stream.shown_emotion(*here)[:, 0][shows]
            found.append(_cross_entropy(logits, batch.emotions[known][shows]))
        if not any(loss.count for loss in found):
            return None
        total = torch.stack([loss.total for loss in found]).sum()
        return Loss(total, sum(loss.count for loss in found), sum(loss.correct or 0 for loss in found))


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
    return _cross_entropy(logits, labels[known])


def _cross_entropy(logits: Tensor, wanted: Tensor) -> Loss:
    return Loss(
        F.cross_entropy(logits.float(), wanted, reduction="sum"),
        len(wanted),
        int((logits.argmax(-1) == wanted).sum()),
    )
