"""Latency: how long a reply takes, and what it costs in tokens. The only task whose numbers no seed repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ruxi.evaluation.generation import ReplyOptions, generation_items, made_up
from ruxi.evaluation.statistics import Columns, Measure
from ruxi.evaluation.task import Item, Metric, Need, Record, Task, TaskOptions, mean_of

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player


class Latency(Task):
    """Takes the time of replies."""

    name = "latency"
    summary = "seconds to the first words and to the end, tokens a second, tokens read and spoken"
    needs: ClassVar[frozenset[Need]] = frozenset({"generation"})
    batch: ClassVar[int] = 1
    Options: ClassVar[type[TaskOptions]] = ReplyOptions
    options: ReplyOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Medians and the slow end."""
        return (
            Metric("seconds to first words, median", _percentile("first", 50), higher_is_better=False),
            Metric("seconds to first words, 95th percentile", _percentile("first", 95), higher_is_better=False),
            Metric("seconds to the end, median", _percentile("seconds", 50), higher_is_better=False),
            Metric("tokens a second, median", _percentile("rate", 50)),
            Metric("tokens read", mean_of("read"), higher_is_better=None),
            Metric("tokens spoken", mean_of("spoken"), higher_is_better=None),
        )

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a reply."""
        return generation_items(data, self.options, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Let the model speak."""
        records = []
        for item in items:
            spoken = made_up(item, player, self.options, data)
            after_first = spoken.seconds - spoken.first
            values = {
                "first": spoken.first,
                "seconds": spoken.seconds,
                "rate": (spoken.tokens - 1) / after_first if spoken.tokens > 1 and after_first > 0 else None,
                "read": spoken.prompt_tokens,
                "spoken": spoken.tokens,
            }
            records.append(Record(item.id, item.cluster, values, {"reply": spoken.text}))
        return records


def _percentile(name: str, percent: float) -> Measure:
    def measure(columns: Columns) -> float:
        values = np.asarray(columns[name], dtype=np.float64)
        known = values[~np.isnan(values)]
        return float(np.percentile(known, percent)) if len(known) else float("nan")

    return measure
