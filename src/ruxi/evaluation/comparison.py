"""Two models on the same items: is the difference more than chance?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, Field

from ruxi.errors import DataError
from ruxi.evaluation.presets import OF_A_SET
from ruxi.evaluation.records import read_records
from ruxi.evaluation.results import Results, TaskResult
from ruxi.evaluation.runner import make_task, records_path
from ruxi.evaluation.statistics import compare
from ruxi.evaluation.tables import as_number, escaped, table
from ruxi.evaluation.task import Record, columns_of, vocabulary_of


class MetricDifference(BaseModel):
    """One metric of two models.

    Attributes:
        task: Task and data, as `task@data`.
        metric: Its name.
        first: Value of the first model on the items that both have.
        second: Value of the second.
        difference: Second minus first.
        low: Lower end of its 95 % interval (paired bootstrap).
        high: Upper end.
        p_value: By approximate randomisation, two-sided.
        better: `first`, `second`, or None when the interval holds 0 or neither direction is better.
        items: Number of items that both have.
    """

    task: str
    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float
    better: str | None
    items: int


class Comparison(BaseModel):
    """Two evaluations, item by item.

    Attributes:
        first: Name of the first model; its folder, where both have the same name.
        second: Name of the second.
        differences: One for each metric of each task that both did.
        left_out: Tasks and metrics that only one of them has, and tasks that they did on different data or with
            different options.
    """

    first: str
    second: str
    differences: list[MetricDifference] = Field(default_factory=list)
    left_out: list[str] = Field(default_factory=list)


def compare_folders(first: Path, second: Path) -> Comparison:
    """Compare two result folders.

    Raises:
        DataError: A folder holds no results, or the two have no task in common.
    """
    one, two = Results.load(first), Results.load(second)
    names = [str(results.model.get("name", "model")) for results in (one, two)]
    if names[0] == names[1]:
        names = [str(first), str(second)]
    found = Comparison(first=names[0], second=names[1])
    others = {task.label: task for task in two.tasks if not task.skipped}
    for task in one.tasks:
        if task.skipped or task.label not in others:
            found.left_out.append(f"{task.label}: done by {found.first} only")
            continue
        _compare_task(found, task, first, second, sorted({*one.seeds} & {*two.seeds}))
    done = {task.label for task in one.tasks if not task.skipped}
    found.left_out += [f"{label}: done by {found.second} only" for label in others if label not in done]
    if not found.differences:
        raise DataError(
            "the two evaluations have no task in common" + "".join(f"; {reason}" for reason in found.left_out),
            where=f"{first}, {second}",
            remedy="Evaluate both models with the same tasks, options, data and seeds.",
        )
    return found


def comparison_table(found: Comparison) -> str:
    """The comparison as a Markdown table."""
    head = ["task", "metric", escaped(found.first), escaped(found.second), "difference [95 %]", "p", "better"]
    names = {"first": found.first, "second": found.second}
    rows = [
        [
            one.task,
            one.metric,
            as_number(one.first),
            as_number(one.second),
            f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}]",
            f"{one.p_value:.3f}",
            escaped(names[one.better]) if one.better else "–",
        ]
        for one in found.differences
    ]
    notes = "".join(f"- {reason}\n" for reason in found.left_out)
    return table(head, rows) + (f"\nLeft out:\n\n{notes}" if notes else "")


def _compare_task(found: Comparison, task: TaskResult, first: Path, second: Path, seeds: Sequence[int]) -> None:
    """Add the differences of one task, or why there are none."""
    pairs: list[tuple[Record, Record]] = []
    options: dict[str, object] = {}
    for seed in seeds:
        head_one, records = read_records(records_path(first, task.label, seed))
        head_two, others = read_records(records_path(second, task.label, seed))
        differing = [key for key in ("options", "data") if head_one.get(key) != head_two.get(key)]
        if differing:
            found.left_out.append(f"{task.label}: other {' and '.join(differing)}")
            return
        # Records know other data sets by their content: where these lie does not matter to the metrics.
        options = {name: value for name, value in head_one.get("options", {}).items() if name not in OF_A_SET}
        known = {record.id: record for record in others if record.values}
        pairs += [(record, known[record.id]) for record in records if record.values and record.id in known]
    if not pairs:
        found.left_out.append(f"{task.label}: no seed and item in common")
        return
    ones, twos = [one for one, _ in pairs], [two for _, two in pairs]
    vocabulary = vocabulary_of([*ones, *twos])
    columns_one, columns_two = columns_of(ones, vocabulary), columns_of(twos, vocabulary)
    alone: dict[str, list[str]] = {}
    for metric in make_task(task.task, options).metrics():
        of_one, of_two = metric.measure(columns_one), metric.measure(columns_two)
        if not (math.isfinite(of_one) and math.isfinite(of_two)):
            # A measure that only some models have, for example of a head that the other one lacks.
            if math.isfinite(of_one) or math.isfinite(of_two):
                alone.setdefault(found.first if math.isfinite(of_one) else found.second, []).append(metric.name)
            continue
        difference = compare(columns_one, columns_two, metric.measure, [one.cluster for one in ones])
        surely = difference.low > 0 or difference.high < 0
        better = None
        if surely and metric.higher_is_better is not None:
            better = "second" if (difference.value > 0) == metric.higher_is_better else "first"
        found.differences.append(
            MetricDifference(
                task=task.label,
                metric=metric.name,
                first=of_one,
                second=of_two,
                difference=difference.value,
                low=difference.low,
                high=difference.high,
                p_value=difference.p_value,
                better=better,
                items=len(pairs),
            )
        )
    found.left_out += [f"{task.label}, {', '.join(names)}: measured of {name} only" for name, names in alone.items()]
