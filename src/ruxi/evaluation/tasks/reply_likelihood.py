"""Reply likelihood: how well a model foresees what the character really said, in nats a token, and perplexity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ruxi.evaluation.replies import Turns, before_reply, reply_items
from ruxi.evaluation.statistics import Columns
from ruxi.evaluation.task import Item, Metric, Record, Task, TaskOptions

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player


class ReplyLikelihoodOptions(TaskOptions):
    """Options of reply likelihood."""

    turns: Turns = "last"
    """Which replies of a dialogue count: its last turn, or all of them."""


class ReplyLikelihood(Task):
    """Nats a token on true replies."""

    name = "reply_likelihood"
    summary = "nats a token and perplexity on the characters' true replies"
    Options: ClassVar[type[TaskOptions]] = ReplyLikelihoodOptions
    options: ReplyLikelihoodOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Nats a token over all tokens, and what follows from it."""
        return (
            Metric("nats", _nats, higher_is_better=False),
            Metric("perplexity", lambda columns: float(np.exp(_nats(columns))), higher_is_better=False),
        )

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a reply."""
        return reply_items(data, self.options, seed, self.options.turns)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Score the true replies."""
        prompts = [
            player.answered(
                player.prompt(item.character, before_reply(item), item.speaker, self.options, data.media),
                item.candidates[0],
            )
            for item in items
        ]
        return [
            Record(
                item.id,
                item.cluster,
                {"nats_in_all": -float(scores.sum()), "tokens": len(scores)},
                {"nats": -float(scores.mean())},
            )
            for item, scores in zip(items, player.log_likelihood(prompts, data.media), strict=True)
        ]

    def batch_key(self, item: Item) -> str:
        """Replies of one character share their persona."""
        return item.speaker


def _nats(columns: Columns) -> float:
    return float(np.sum(columns["nats_in_all"])) / float(np.sum(columns["tokens"]))
