"""Judge: a stronger model compares made-up replies with the true ones, by the eight metrics of MMRole.

Published judges of this kind follow length (see `judge_agreement`): the score at equal length stands beside the plain
one, and a judge that does not agree with published scores should not be believed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ruxi.errors import DataError
from ruxi.evaluation.generation import generation_items, made_up
from ruxi.evaluation.judge import METRICS
from ruxi.evaluation.judge.judging import Pair
from ruxi.evaluation.judged import JudgeOptions, at_equal_length, judge_of, usage_details, usage_of
from ruxi.evaluation.replies import before_reply
from ruxi.evaluation.task import Item, Metric, Need, Record, Task, TaskOptions, Value, mean_of

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player


class JudgeTask(Task):
    """Has replies judged against the true ones."""

    name = "judge"
    summary = "made-up replies against the true ones, by a judge, in both orders: ratios over eight metrics"
    needs: ClassVar[frozenset[Need]] = frozenset({"generation"})
    batch: ClassVar[int] = 4
    Options: ClassVar[type[TaskOptions]] = JudgeOptions
    options: JudgeOptions

    def metrics(self) -> tuple[Metric, ...]:
        """The mean ratio, plain and at equal length, and each metric's."""
        return (
            Metric("overall", mean_of("overall")),
            Metric("overall at equal length", lambda columns: at_equal_length(columns, "overall")),
            Metric("better than the true reply", mean_of("won")),
            *(Metric(name, mean_of(name)) for name in METRICS),
            Metric("preference for the first place", mean_of("bias"), higher_is_better=None),
        )

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a reply."""
        if self.options.url is None:
            raise DataError("needs a judge", where="task judge", remedy="Give its server: --judge URL.")
        return generation_items(data, self.options, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Let the model speak, and the judge compare."""
        replies = [made_up(item, player, self.options, data).text for item in items]
        pairs = [
            Pair(item.character.description, item.speaker, before_reply(item), reply, item.candidates[0])
            for item, reply in zip(items, replies, strict=True)
        ]
        records = []
        for item, reply, verdict in zip(items, replies, judge_of(self.options).judge(pairs, data.media), strict=True):
            if verdict is None:
                records.append(
                    Record(item.id, item.cluster, {}, {"error": "the judge gave no usable answer", "reply": reply})
                )
                continue
            values: dict[str, Value] = {
                "overall": verdict.overall,
                **verdict.ratios,
                "won": 0.5 if verdict.overall == 1 else float(verdict.overall > 1),
                "bias": verdict.bias,
                "log length ratio": math.log(max(len(reply), 1) / max(len(item.candidates[0]), 1)),
            }
            shown = {"reply": reply, "true reply": item.candidates[0], "usage": usage_of(verdict)}
            records.append(Record(item.id, item.cluster, values, shown))
        return records

    def details(self, records: Sequence[Record]) -> dict[str, Any]:
        """What the judge cost."""
        return usage_details(records, self.options)
