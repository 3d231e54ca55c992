"""Judge agreement: is the judge itself any good?

It judges answers that others have scored (MMRole's published reviews, or ratings by people), and its ratios are
correlated with theirs: over answers, and over the systems that gave them. Beside each correlation stands what answer
length alone reaches, and what is left of it when length is held fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ruxi.errors import DataError
from ruxi.evaluation.data import cluster_of
from ruxi.evaluation.judge.judging import Pair
from ruxi.evaluation.judged import JudgeOptions, judge_of, usage_details, usage_of
from ruxi.evaluation.replies import before_reply, drawn
from ruxi.evaluation.statistics import Columns, Measure, partial_spearman, spearman
from ruxi.evaluation.task import Item, Metric, Need, Record, Task, TaskOptions, Value

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player


class JudgeAgreement(Task):
    """Measures a judge."""

    name = "judge_agreement"
    summary = "rank correlation of a judge with published scores, over answers and over systems"
    needs: ClassVar[frozenset[Need]] = frozenset()
    Options: ClassVar[type[TaskOptions]] = JudgeOptions
    options: JudgeOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Correlations over answers and systems, plain and with length held fixed."""
        return agreement_metrics("judged")

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a scored answer."""
        if self.options.url is None:
            raise DataError("needs a judge", where="task judge_agreement", remedy="Give its server: --judge URL.")
        return drawn(scored_answers(data, self.options), self.options.items, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Have each answer judged against the true reply."""
        pairs = [
            Pair(
                item.character.description,
                item.speaker,
                before_reply(item),
                item.candidates[0],
                item.facts["reference"],
            )
            for item in items
        ]
        records = []
        for item, verdict in zip(items, judge_of(self.options).judge(pairs, data.media), strict=True):
            if verdict is None:
                records.append(Record(item.id, item.cluster, {}, {"error": "the judge gave no usable answer"}))
                continue
            values = {**published(item), "judged": verdict.overall}
            shown = {"answer": item.candidates[0], "reference": item.facts["reference"], "usage": usage_of(verdict)}
            records.append(Record(item.id, item.cluster, values, shown))
        return records

    def floors(self, items: Sequence[Item], data: EvaluationData) -> dict[str, list[Record]]:
        """Answer length as a judge, in characters, and in relation to the true reply."""
        return length_floors(items, "judged")

    def details(self, records: Sequence[Record]) -> dict[str, Any]:
        """What the judge cost."""
        return usage_details(records, self.options)


def scored_answers(data: EvaluationData, options: TaskOptions) -> list[Item]:
    """The answers in a data set that were scored beside a reference, as `mmrole-reviews` has them.

    Raises:
        DataError: There are none.
    """
    items = []
    for dialogue in data.dialogues(options):
        reply = dialogue.turns[-1] if dialogue.turns else None
        extra = (reply.model_extra or {}) if reply else {}
        scores, reference = extra.get("scores"), extra.get("reference")
        if reply is None or not reply.text.strip() or not isinstance(scores, dict) or not isinstance(reference, str):
            continue
        ratios = [float(own) / float(other) for own, other in scores.values() if other]
        facts = {"reference": reference, "system": str(extra.get("system", "")), "published": float(np.mean(ratios))}
        items.append(
            Item(
                id=dialogue.id,
                cluster=cluster_of(dialogue),
                dialogue=dialogue,
                character=data.character(dialogue, reply.speaker),
                speaker=reply.speaker,
                candidates=(reply.text,),
                facts=facts,
            )
        )
    if not items:
        raise DataError(
            "holds no answers that were scored beside a reference",
            where=str(data.path),
            remedy="Import some with `ruxi data import mmrole-reviews`.",
        )
    return items


def published(item: Item) -> dict[str, Value]:
    """What is known of a scored answer."""
    answer, reference = item.candidates[0], item.facts["reference"]
    return {
        "published": item.facts["published"],
        "system": item.facts["system"],
        "length": len(answer),
        "relative length": len(answer) / max(len(reference), 1),
    }


def length_floors(items: Sequence[Item], name: str) -> dict[str, list[Record]]:
    """Records in which length stands for the judgement called `name`."""
    found: dict[str, list[Record]] = {"length": [], "length over the true reply's": []}
    for item in items:
        known = published(item)
        for floor, source in (("length", "length"), ("length over the true reply's", "relative length")):
            found[floor].append(Record(item.id, item.cluster, {**known, name: known[source]}))
    return found


def agreement_metrics(name: str) -> tuple[Metric, ...]:
    """Correlations of the judgement called `name` with the published one."""
    return (
        Metric("answers", _correlation(name)),
        Metric("answers, length held fixed", _correlation(name, control="length")),
        Metric("answers, relative length held fixed", _correlation(name, control="relative length")),
        Metric("systems", _correlation(name, by_system=True)),
        Metric("systems, length held fixed", _correlation(name, control="length", by_system=True)),
    )


def _correlation(name: str, *, control: str | None = None, by_system: bool = False) -> Measure:
    def measure(columns: Columns) -> float:
        values = [np.asarray(columns[key], dtype=np.float64) for key in (name, "published", control or "length")]
        if by_system:
            systems = np.asarray(columns["system"])
            values = [np.array([one[systems == system].mean() for system in np.unique(systems)]) for one in values]
        judged, true, held = values
        if len(judged) < 3:
            return float("nan")
        return spearman(judged, true) if control is None else partial_spearman(judged, true, held)  # type: ignore[arg-type]

    return measure
