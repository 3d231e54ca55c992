"""What is to be done: tasks by name, on data sets by name, with options from a preset and from the user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruxi import plugins
from ruxi.errors import DataError, UsageError
from ruxi.evaluation.data import EvaluationData
from ruxi.evaluation.presets import OF_A_SET, preset
from ruxi.evaluation.runner import Planned, make_task

_JUDGED = ("judge", "judge_agreement")


@dataclass(frozen=True)
class Wishes:
    """What a user asked for.

    Attributes:
        tasks: Names, as `task` or `task@data`; all of them, or all of the preset, when empty.
        preset: Name of a preset.
        limit: So many items of each task.
        settings: Options by task.
        judging: Options of the tasks with a judge.
    """

    tasks: Sequence[str] = ()
    preset: str | None = None
    limit: int | None = None
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    judging: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        planned: Tasks with their data.
        left_out: What of a preset cannot be done with the data that are given, and why.
    """

    planned: list[Planned]
    left_out: list[str]


def plan_tasks(sets: Sequence[EvaluationData], wishes: Wishes) -> Plan:
    """Put tasks and data together.

    Args:
        sets: The data sets that are given.
        wishes: What is asked for.

    Raises:
        UsageError: A name or an option is wrong.
        DataError: Nothing of a preset can be done with these data.
    """
    by_name = {data.name: data for data in sets}
    known = {name.partition("@")[0] for name in wishes.tasks} or set(plugins.names("tasks"))
    if unknown := sorted(set(wishes.settings) - known):
        raise UsageError(
            f"{unknown[0]!r} is not among the tasks to do",
            where="--set",
            remedy=f"These are: {', '.join(sorted(known))}.",
        )
    if wishes.preset is not None:
        return _of_preset(wishes.preset, by_name, wishes)
    planned = []
    for asked in wishes.tasks or plugins.names("tasks"):
        name, at, where = asked.partition("@")
        if at and where not in by_name:
            raise UsageError(f"no data set is called {where!r}", remedy=f"Given: {', '.join(by_name)}.")
        for data in [by_name[where]] if at else sets:
            # A task that was named without its data is done where it fits; one data set must fit it.
            must_fit = bool(wishes.tasks) and (bool(at) or len(sets) == 1)
            planned.append(_planned(name, {}, data, wishes, asked=must_fit))
    return Plan(planned, [])


def _of_preset(name: str, sets: Mapping[str, EvaluationData], wishes: Wishes) -> Plan:
    planned, left_out = [], []
    entries = preset(name)
    _check_names(wishes.tasks, entries)
    for label, options in entries.items():
        task, _, where = label.partition("@")
        if wishes.tasks and task not in wishes.tasks and label not in wishes.tasks:
            continue
        others = {key: value for key, value in options.items() if key in OF_A_SET}
        missing = [one for one in (where, *others.values()) if one not in sets]
        if missing:
            left_out.append(f"{label}: no data set is called {missing[0]!r}")
            continue
        resolved = {key: sets[value].path for key, value in others.items()}
        planned.append(_planned(task, {**options, **resolved}, sets[where], wishes, asked=True))
    if not planned:
        raise DataError(
            f"nothing of the preset {name!r} can be done: {'; '.join(left_out)}",
            remedy="Import the data sets under their own names; see `ruxi data import --help`.",
        )
    return Plan(planned, left_out)


def _check_names(tasks: Iterable[str], entries: Iterable[str]) -> None:
    known = {*entries, *(label.partition("@")[0] for label in entries)}
    if unknown := sorted(set(tasks) - known):
        raise UsageError(
            f"{unknown[0]!r} is not in the preset", where="--tasks", remedy=f"It has: {', '.join(sorted(entries))}."
        )


def _planned(name: str, options: Mapping[str, Any], data: EvaluationData, wishes: Wishes, *, asked: bool) -> Planned:
    limit = {} if wishes.limit is None else {"items": wishes.limit}
    judging = wishes.judging if name in _JUDGED else {}
    return Planned(make_task(name, {**options, **limit, **judging, **wishes.settings.get(name, {})}), data, asked=asked)
