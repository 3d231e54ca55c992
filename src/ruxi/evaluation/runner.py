"""The runner: asks a model all items of some tasks, keeps every record, and sums up.

Items are asked in fixed batches: a batch of which any record is missing is asked as a whole, so that an evaluation that
was stopped and resumed gives the same numbers, to the digit, as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from ruxi import plugins
from ruxi.errors import DataError, EngineError, UsageError
from ruxi.evaluation.data import EvaluationData
from ruxi.evaluation.player import Player
from ruxi.evaluation.presets import OF_A_SET
from ruxi.evaluation.records import RecordFile, write_floors
from ruxi.evaluation.results import Results, TaskResult, file_name, summarise
from ruxi.evaluation.task import Item, Record, Task


class Progress(Protocol):
    """Is told how far an evaluation is."""

    def __call__(self, label: str, done: int, total: int) -> None:
        """`done` of `total` items of one task are there."""


@dataclass(frozen=True)
class Planned:
    """A task to do on a data set.

    Attributes:
        task: The task.
        data: The data set.
        asked: Whether the user named the task; then it is an error if the data do not fit it.
    """

    task: Task
    data: EvaluationData
    asked: bool = True

    @property
    def label(self) -> str:
        """Task and data, as `task@data`."""
        return f"{self.task.name}@{self.data.name}"


def make_task(name: str, options: Mapping[str, Any] | None = None) -> Task:
    """A task with its options set.

    Raises:
        UsageError: There is no such task, or it does not take an option or its value.
    """
    kind: type[Task] = plugins.load("tasks", name)
    try:
        return kind(kind.Options.model_validate(dict(options or {})))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        known = ", ".join(kind.Options.model_fields)
        raise UsageError(faults, where=f"task {name}", remedy=f"Options: {known}.") from None


def evaluate(
    player: Player,
    identity: Mapping[str, Any],
    plan: Sequence[Planned],
    out: Path,
    *,
    seeds: Sequence[int] = (0,),
    facts: Mapping[str, Any] | None = None,
    replace: bool = False,
    progress: Progress = lambda label, done, total: None,
) -> Results:
    """Measure a model.

    Args:
        player: The model.
        identity: What identifies it, see `ruxi.evaluation.identity`.
        plan: What to do.
        out: The result folder; records that are in it are not asked again.
        seeds: Each is a run of its own: other items where they are limited, other distractors, other dice.
        facts: Command, versions and machine, for the results.
        replace: Begin anew, whatever is in the folder.
        progress: Is told how far it is.

    Returns:
        The results; they are in `results.json`, too.

    Raises:
        UsageError: The folder holds records of something else.
        DataError: The data do not fit a task that the user named.
    """
    results = Results(model=dict(identity), seeds=list(seeds), run=dict(facts or {}))
    for planned in plan:
        found = _run_task(player, identity, planned, out, seeds, replace=replace, progress=progress)
        if found is not None:
            results.tasks.append(found)
            # After every task, so that a long evaluation can be looked at while it goes on.
            results.save(out)
    if not results.tasks:
        raise DataError(
            "no task fits these data", remedy="Name tasks with --tasks to hear what each of them looks for."
        )
    return results


def records_path(out: Path, label: str, seed: int) -> Path:
    """Where the records of a task are kept."""
    return out / "records" / file_name(label) / f"seed-{seed}.jsonl"


def floors_path(out: Path, label: str, seed: int) -> Path:
    """Where the records of a task's floors are kept."""
    return out / "records" / file_name(label) / f"floors-{seed}.jsonl"


def _run_task(
    player: Player,
    identity: Mapping[str, Any],
    planned: Planned,
    out: Path,
    seeds: Sequence[int],
    *,
    replace: bool,
    progress: Progress,
) -> TaskResult | None:
    task, data = planned.task, planned.data
    result = TaskResult(task=task.name, data=data.name, summary=task.summary)
    by_seed: dict[int, list[Record]] = {}
    floors: dict[int, dict[str, list[Record]]] = {}
    began = time.perf_counter()
    for seed in seeds:
        try:
            items = task.items(data, seed)
        except DataError:
            if planned.asked:
                raise
            return None
        file = RecordFile(
            records_path(out, planned.label, seed),
            {
                "model": dict(identity),
                "task": task.name,
                "options": _identity_of_options(task),
                "data": _identity_of_set(data),
                "seed": seed,
            },
        )
        try:
            by_seed[seed] = _ask(task, items, player, data, file, planned.label, replace=replace, progress=progress)
        except EngineError as error:
            result.skipped = str(error)
            return result
        floors[seed] = task.floors(items, data)
        write_floors(floors_path(out, planned.label, seed), floors[seed])
    result.seconds = round(time.perf_counter() - began, 2)
    result.failed = sum("error" in record.shown for several in by_seed.values() for record in several)
    answered = {seed: [r for r in several if "error" not in r.shown] for seed, several in by_seed.items()}
    result.items = max(len(several) for several in answered.values())
    result.metrics = summarise(task, answered, floors)
    result.details = task.details([record for several in answered.values() for record in several])
    return result


def _identity_of_options(task: Task) -> dict[str, Any]:
    """Options that decide what an answer is; other data sets by their content, wherever they lie."""
    options: dict[str, Any] = task.options.model_dump(mode="json", exclude=set(task.options.incidental))
    sets = {name: EvaluationData(Path(options[name])) for name in OF_A_SET if options.get(name) is not None}
    return options | {name: _identity_of_set(data) for name, data in sets.items()}


def _identity_of_set(data: EvaluationData) -> dict[str, str]:
    return {"name": data.name, "sha256": data.digest}


def _ask(
    task: Task,
    items: Sequence[Item],
    player: Player,
    data: EvaluationData,
    file: RecordFile,
    label: str,
    *,
    replace: bool,
    progress: Progress,
) -> list[Record]:
    known = file.open(replace=replace)
    progress(label, len(known), len(items))
    for batch in batches(task, items):
        if all(item.id in known for item in batch):
            continue
        found = _run_batch(task, batch, player, data)
        file.add(found)
        known.update((record.id, record) for record in found)
        progress(label, len(known), len(items))
    return [known[item.id] for item in items]


def batches(task: Task, items: Sequence[Item]) -> Iterator[list[Item]]:
    """The fixed batches of some items: those with the same key together, in order."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(task.batch_key(item), []).append(item)
    for members in groups.values():
        for start in range(0, len(members), task.batch):
            yield members[start : start + task.batch]


def _run_batch(task: Task, batch: list[Item], player: Player, data: EvaluationData) -> list[Record]:
    try:
        return task.run(batch, player, data)
    except DataError as error:
        if len(batch) == 1:
            # One dialogue that does not fit the context must not end the evaluation; the results count it.
            return [Record(batch[0].id, batch[0].cluster, {}, {"error": str(error)})]
        return [record for item in batch for record in _run_batch(task, [item], player, data)]
