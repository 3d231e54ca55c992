"""What an evaluation found, as JSON on disk."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ruxi import files
from ruxi.errors import DataError
from ruxi.evaluation.statistics import bootstrap
from ruxi.evaluation.task import Metric, Record, Task, columns_of, vocabulary_of

RESULTS_FILE = "results.json"


class _Result(BaseModel):
    model_config = ConfigDict(extra="allow")


class MetricResult(_Result):
    """One number.

    Attributes:
        name: Of the metric.
        value: Over the records of all seeds.
        low: Lower end of its 95 % bootstrap interval.
        high: Upper end.
        by_seed: Its value with each seed.
        higher_is_better: Which way is up; None when neither.
        floors: The same metric of each floor.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    by_seed: list[float | None] = Field(default_factory=list)
    higher_is_better: bool | None = True
    floors: dict[str, float] = Field(default_factory=dict)


class TaskResult(_Result):
    """One task on one data set.

    Attributes:
        task: Name of the task.
        data: Name of the data set.
        summary: What the task is, in a line.
        items: Number of items of each seed.
        failed: Number of items that could not be asked, for example because they do not fit the context.
        seconds: How long the model took, where it was asked in this run.
        metrics: Its numbers, headline first.
        details: What a number cannot say, for example a confusion matrix.
        skipped: Why the task was not done; None when it was.
    """

    task: str
    data: str
    summary: str = ""
    items: int = 0
    failed: int = 0
    seconds: float = 0.0
    metrics: list[MetricResult] = Field(default_factory=list)
    details: dict[str, Any] = Field(default_factory=dict)
    skipped: str | None = None

    @property
    def label(self) -> str:
        """Task and data, as `task@data`."""
        return f"{self.task}@{self.data}"

    def metric(self, name: str) -> MetricResult:
        """A metric by name.

        Raises:
            KeyError: There is none.
        """
        return next(metric for metric in self.metrics if metric.name == name)


class Results(_Result):
    """Everything that one evaluation found.

    Attributes:
        model: Name and identity of the model.
        seeds: The seeds.
        run: How it was made: command, versions, machine.
        tasks: One result for each task and data set.
    """

    model: dict[str, Any]
    seeds: list[int]
    run: dict[str, Any] = Field(default_factory=dict)
    tasks: list[TaskResult] = Field(default_factory=list)

    def save(self, folder: Path) -> Path:
        """Write `results.json`."""
        path = folder / RESULTS_FILE
        files.write_text(path, self.model_dump_json(indent=1) + "\n")
        return path

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the results in a folder.

        Raises:
            DataError: There are none, or they cannot be read.
        """
        path = folder / RESULTS_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise DataError(
                f"cannot be read ({error.strerror})", where=str(path), remedy="Name a folder that `ruxi eval` made."
            ) from None
        except ValidationError as error:
            raise DataError(f"is not what `ruxi eval` writes ({error.error_count()} faults)", where=str(path)) from None


def file_name(label: str) -> str:
    """A name for files about a task, from a label that holds the name of any data set."""
    return "".join(letter if letter.isalnum() or letter in "-_@" else "-" for letter in label)[:120]


def summarise(
    task: Task, by_seed: Mapping[int, Sequence[Record]], floors: Mapping[int, Mapping[str, Sequence[Record]]]
) -> list[MetricResult]:
    """The metrics of a task over the records of all seeds.

    Args:
        task: The task.
        by_seed: Records by seed.
        floors: Records of each floor, by seed.
    """
    records = [record for several in by_seed.values() for record in several]
    if not records:
        return []
    columns, clusters = columns_of(records), [record.cluster for record in records]
    vocabulary = vocabulary_of(records)
    merged: dict[str, list[Record]] = {}
    for several in floors.values():
        for name, found in several.items():
            merged.setdefault(name, []).extend(found)
    results = []
    for metric in task.metrics():
        interval = bootstrap(columns, metric.measure, clusters)
        lowest = {name: _measured(metric, found) for name, found in merged.items()}
        if not math.isfinite(interval.value) and not any(value is not None for value in lowest.values()):
            # A measure that only some models have, for example of a head that this one lacks.
            continue
        results.append(
            MetricResult(
                name=metric.name,
                value=_finite(interval.value),
                low=_finite(interval.low),
                high=_finite(interval.high),
                by_seed=[_finite(metric.measure(columns_of(part, vocabulary))) for part in by_seed.values()],
                higher_is_better=metric.higher_is_better,
                floors={name: value for name, value in lowest.items() if value is not None},
            )
        )
    return results


def _measured(metric: Metric, records: Sequence[Record]) -> float | None:
    """A metric of a floor; None where the floor does not have the values that it is computed from."""
    try:
        return _finite(metric.measure(columns_of(records)))
    except KeyError:
        return None


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
