"""The result folder for people: a Markdown table, plots, and a page on which every kind of item can be looked at.

Dialogues, replies and names come from data and models: the page escapes all of them, runs no script but its own, and
loads nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ruxi import files
from ruxi.evaluation import tables
from ruxi.evaluation.examples import SCORES, Example, ExampleMaker, chosen_examples
from ruxi.evaluation.plots import write_plots
from ruxi.evaluation.records import read_records
from ruxi.evaluation.results import Results, TaskResult
from ruxi.evaluation.runner import Planned, records_path

PAGE = "report.html"
_EXAMPLES = 40


@dataclass(frozen=True)
class _Section:
    result: TaskResult
    head: list[str]
    rows: list[list[str]]
    plots: list[str]
    examples: list[Example]
    total: int
    records: str

    @property
    def headline(self) -> list[str]:
        if self.result.skipped or not self.result.metrics:
            return ["–", "skipped", ""]
        metric = self.result.metrics[0]
        return [self.rows[0][0], tables.with_interval(metric), tables.floors_of(metric)]

    @property
    def verdicts(self) -> list[str]:
        return sorted({example.verdict for example in self.examples} - {""})

    @property
    def scores(self) -> list[tuple[str, str]]:
        """What candidates are ranked by, and what that means."""
        ranked = next((example.candidates[0] for example in self.examples if example.candidates), None)
        return [(name, SCORES[name]) for name, _ in ranked.scores] if ranked else []


def write_report(folder: Path, results: Results, plan: list[Planned]) -> Path:
    """Write `results.md`, `plots/` and `report.html` beside `results.json`.

    Args:
        folder: The result folder.
        results: What was found.
        plan: The tasks with their data, from which the dialogues of the examples come.

    Returns:
        The page.
    """
    files.write_text(folder / "results.md", tables.report(results))
    plots = write_plots(folder, results)
    planned = {one.label: one for one in plan}
    sections = [
        _section(folder, result, planned.get(result.label), results.seeds, plots.get(result.label, []))
        for result in results.tasks
    ]
    command = results.run.get("command")
    page = _template().render(
        name=str(results.model.get("name", "model")),
        identity=[(key, _short(value)) for key, value in results.model.items() if key != "name" and value],
        seeds=results.seeds,
        command=" ".join(str(word) for word in command) if command else "",
        tasks=sections,
    )
    files.write_text(folder / PAGE, page)
    return folder / PAGE


def _section(folder: Path, result: TaskResult, planned: Planned | None, seeds: list[int], plots: list[str]) -> _Section:
    head, rows = tables.task_rows(result)
    path = records_path(folder, result.label, seeds[0])
    if result.skipped or planned is None or not path.is_file():
        return _Section(result, head, rows, plots, [], 0, "")
    _, records = read_records(path)
    items = {item.id: item for item in planned.task.items(planned.data, seeds[0])}
    known = [record for record in records if record.id in items]
    maker = ExampleMaker(folder, planned.data)
    examples = [maker.make(items[record.id], record) for record in chosen_examples(known, _EXAMPLES)]
    return _Section(result, head, rows, plots, examples, len(records), str(path.relative_to(folder)))


def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    source = resources.files("ruxi.evaluation").joinpath("report.html.jinja").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(source)


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_short(found)}" for key, found in value.items())
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 else text
