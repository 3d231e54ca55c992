"""Drift: does a character lose its role as a dialogue goes on?

Next reply and reply likelihood, turn by turn, in dialogues of some length; a drift is a slope over the turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from ruxi.errors import DataError
from ruxi.evaluation.replies import Turns, drawn
from ruxi.evaluation.statistics import Columns, Measure
from ruxi.evaluation.task import Item, Metric, Record, TaskOptions
from ruxi.evaluation.tasks.next_reply import NextReply, NextReplyOptions

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player


class DriftOptions(NextReplyOptions):
    """Options of drift."""

    turns: Turns = "all"
    """Which replies of a dialogue count: all of them, unless there is a reason."""
    candidates: int = Field(5, ge=2)
    """Replies to choose from, the true one among them."""
    least_turns: int = Field(10, ge=4)
    """Only dialogues of so many turns."""
    late: int = Field(8, ge=2)
    """The turn from which a reply counts as late."""


class Drift(NextReply):
    """Measures ability by turn number."""

    name = "drift"
    summary = "next reply and likelihood early and late in long dialogues, and their slopes"
    Options: ClassVar[type[TaskOptions]] = DriftOptions
    options: DriftOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Early and late means, and slopes a turn."""
        late = self.options.late
        return (
            Metric("hits@1 slope a turn", _slope("hits@1"), higher_is_better=True),
            Metric("nats slope a turn", _slope("nats"), higher_is_better=False),
            Metric("hits@1 early", _part("hits@1", late, is_late=False)),
            Metric("hits@1 late", _part("hits@1", late, is_late=True)),
            Metric("nats early", _part("nats", late, is_late=False), higher_is_better=False),
            Metric("nats late", _part("nats", late, is_late=True), higher_is_better=False),
        )

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """The replies of long dialogues."""
        lengths = {dialogue.id: len(dialogue.turns) for dialogue in data.dialogues(self.options)}
        long = {identifier for identifier, length in lengths.items() if length >= self.options.least_turns}
        if not long:
            raise DataError(
                f"no dialogue has {self.options.least_turns} turns", where=str(data.path), remedy="Lower least_turns."
            )
        items = [item for item in self.all_items(data, seed) if item.dialogue.id in long]
        return drawn(items, self.options.items, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """As for next reply, with the turn's number."""
        return [_numbered(record, item) for record, item in zip(super().run(items, player, data), items, strict=True)]

    def floors(self, items: Sequence[Item], data: EvaluationData) -> dict[str, list[Record]]:
        """As for next reply."""
        return {
            name: [_numbered(record, item) for record, item in zip(records, items, strict=True)]
            for name, records in super().floors(items, data).items()
        }

    def details(self, records: Sequence[Record]) -> dict[str, Any]:
        """Means by turn number, for a plot."""
        by_turn: dict[int, list[Record]] = {}
        for record in records:
            by_turn.setdefault(int(record.values["turn"] or 0), []).append(record)
        return {
            "by turn": [
                {
                    "turn": turn,
                    "items": len(found),
                    **{
                        name: float(np.mean([float(r.values[name] or 0) for r in found])) for name in ("hits@1", "nats")
                    },
                }
                for turn, found in sorted(by_turn.items())
            ]
        }

    def batch_key(self, item: Item) -> str:
        """Replies of one dialogue share what was said before."""
        return item.dialogue.id


def _numbered(record: Record, item: Item) -> Record:
    return Record(record.id, record.cluster, {**record.values, "turn": item.facts["turn"]}, record.shown)


def _slope(name: str) -> Measure:
    def measure(columns: Columns) -> float:
        turns, values = (np.asarray(columns[key], dtype=np.float64) for key in ("turn", name))
        spread = ((turns - turns.mean()) ** 2).sum()
        return float(((turns - turns.mean()) * (values - values.mean())).sum() / spread) if spread > 0 else float("nan")

    return measure


def _part(name: str, late: int, *, is_late: bool) -> Measure:
    def measure(columns: Columns) -> float:
        turns, values = (np.asarray(columns[key], dtype=np.float64) for key in ("turn", name))
        chosen = values[(turns >= late) == is_late]
        return float(chosen.mean()) if len(chosen) else float("nan")

    return measure
