"""Results as Markdown tables: every number with its interval, beside its floors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ruxi.evaluation.results import MetricResult, Results, TaskResult


def as_number(value: float | None) -> str:
    """Three significant decimals for small numbers, fewer for large ones."""
    if value is None:
        return "–"
    if abs(value) < 0.0005:
        # No sign before a number of zeros.
        value = 0.0
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}" if abs(value) < 10000 else f"{value:,.0f}"


def with_interval(metric: MetricResult) -> str:
    """`0.580 [0.500, 0.650]`, or the value alone where it has no interval."""
    if metric.low is None or metric.high is None or metric.low == metric.high:
        return as_number(metric.value)
    return f"{as_number(metric.value)} [{as_number(metric.low)}, {as_number(metric.high)}]"


def floors_of(metric: MetricResult) -> str:
    """The floors of a metric in one line."""
    return _in_a_line(metric.floors)


def task_table(result: TaskResult) -> str:
    """One task: a row a metric, with a column for each floor."""
    return f"Skipped: {result.skipped}\n" if result.skipped else table(*task_rows(result))


def task_rows(result: TaskResult) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a task's table."""
    floors = list(dict.fromkeys(name for metric in result.metrics for name in metric.floors))
    seeds = len(result.metrics[0].by_seed) if result.metrics else 0
    head = ["metric", "value [95 %]", *(["each seed"] if seeds > 1 else []), *floors]
    rows = []
    for metric in result.metrics:
        arrow = {True: " ↑", False: " ↓", None: ""}[metric.higher_is_better]
        row = [f"{metric.name}{arrow}", with_interval(metric)]
        if seeds > 1:
            row.append(", ".join(as_number(value) for value in metric.by_seed))
        row += [as_number(metric.floors.get(name)) for name in floors]
        rows.append(row)
    return head, rows


def report(results: Results) -> str:
    """All tasks of an evaluation."""
    name = results.model.get("name", "model")
    seeds = ", ".join(str(seed) for seed in results.seeds)
    parts = [f"# Evaluation of {escaped(str(name))}\n", f"Seeds: {seeds}. ↑ higher is better, ↓ lower is better.\n"]
    for result in results.tasks:
        failed = f"; {result.failed} could not be asked" if result.failed else ""
        parts.append(f"## {escaped(result.label)}\n\n{result.summary[:1].upper()}{result.summary[1:]}.")
        if not result.skipped:
            parts[-1] += f" {result.items} items{failed}."
        parts.append(task_table(result))
    command = results.run.get("command")
    if command:
        parts.append(f"Made by `{' '.join(str(word) for word in command)}`.\n")
    return "\n".join(parts)


def side_by_side(several: Sequence[tuple[str, Results]], *, most: int | None = None) -> str:
    """Several models in one table: a row a task and metric, a column a model, the best one in bold.

    Args:
        several: What each model is called, and its results.
        most: Only so many metrics of each task, headline first.
    """
    body = []
    for label in dict.fromkeys(task.label for _, results in several for task in results.tasks):
        tasks = [next((task for task in results.tasks if task.label == label), None) for _, results in several]
        known = [task for task in tasks if task is not None]
        # Values on other items cannot be the best ones.
        comparable = len({task.items for task in known}) == 1
        shown = [label, str(max(task.items for task in known))]
        for name in list(dict.fromkeys(metric.name for task in known for metric in task.metrics))[:most]:
            metrics = [
                None if task is None else next((metric for metric in task.metrics if metric.name == name), None)
                for task in tasks
            ]
            floors = {key: value for metric in metrics if metric for key, value in metric.floors.items()}
            body.append([*shown, name, *_cells(metrics, bold=comparable), _in_a_line(floors)])
            shown = ["", ""]
    return table(["task", "items", "metric", *(escaped(name) for name, _ in several), "floors"], body)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#|" else letter for letter in text)


def _in_a_line(floors: Mapping[str, float]) -> str:
    # Names hold commas.
    return "; ".join(f"{name} {as_number(value)}" for name, value in floors.items())


def _cells(metrics: Sequence[MetricResult | None], *, bold: bool) -> list[str]:
    """A cell a model; the best is bold where all of them had the same items."""
    values = [metric.value if metric else None for metric in metrics]
    known = [value for value in values if value is not None]
    better = next((metric.higher_is_better for metric in metrics if metric), None)
    best = None if better is None or len(known) < 2 else max(known) if better else min(known)
    cells = []
    for metric in metrics:
        text = with_interval(metric) if metric else "–"
        value, _, interval = text.partition(" ")
        is_best = bold and metric is not None and best is not None and metric.value == best
        cells.append(f"**{value}** {interval}".strip() if is_best else text)
    return cells
