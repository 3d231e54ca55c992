"""One page for several models: every task in one table, significance against the first, and how it was made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruxi.errors import DataError
from ruxi.evaluation.comparison import Comparison, compare_folders
from ruxi.evaluation.results import Results, TaskResult
from ruxi.evaluation.reward import CONFIG_FILE
from ruxi.evaluation.tables import as_number, escaped, side_by_side, table, task_table

_ABOUT_JUDGES = "judge_agreement"


def results_page(folders: Sequence[Path]) -> str:
    """The results of several evaluations as Markdown.

    Args:
        folders: Result folders of `ruxi eval`, and of `ruxi reward`. The first one of a model is what the other models
            are compared with.

    Raises:
        DataError: A folder holds no results.
    """
    rewards = [folder for folder in folders if (folder / CONFIG_FILE).is_file()]
    evaluations = [(folder, Results.load(folder)) for folder in folders if folder not in rewards]
    models = [(folder, results) for folder, results in evaluations if _of_models(results).tasks]
    judges = [task for _, results in evaluations for task in results.tasks if task.task == _ABOUT_JUDGES]
    parts = ["# Results\n", _HOW_TO_READ]
    if models:
        named = [(_name(results, folder), _of_models(results)) for folder, results in models]
        parts += ["## Models\n", side_by_side(named), _differences(models)]
    parts += [_judge(task) for task in judges]
    parts += [_reward(folder) for folder in rewards]
    parts.append(_origins(evaluations))
    return "\n".join(part for part in parts if part)


_HOW_TO_READ = (
    "Values stand with their 95 % bootstrap intervals over dialogues; the best value is bold. The last column holds "
    "the floors, computed on the same items by the same code: chance, the most frequent class, word "
    "overlap (TF-IDF), a classifier of words; and the true replies where a model makes up its own. What each task "
    "measures is told by `ruxi eval --list` and in [Measure a model](how-to/evaluate.md).\n"
)


def _of_models(results: Results) -> Results:
    return results.model_copy(update={"tasks": [task for task in results.tasks if task.task != _ABOUT_JUDGES]})


def _name(results: Results, folder: Path) -> str:
    name = str(results.model.get("name", folder.name))
    return Path(name).name if "/" in name else name


def _differences(models: Sequence[tuple[Path, Results]]) -> str:
    """Headline metrics of every model against the first one, on the same items."""
    first, reference = models[0]
    rows = []
    for folder, results in models[1:]:
        try:
            found: Comparison = compare_folders(first, folder)
        except DataError:
            continue
        headlines = {task.label: task.metrics[0].name for task in results.tasks if task.metrics}
        rows += [
            [
                escaped(_name(results, folder)),
                one.task,
                one.metric,
                f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}]",
                f"{one.p_value:.3f}",
                {"second": "better", "first": "worse", None: "no difference shown"}[one.better],
            ]
            for one in found.differences
            if headlines.get(one.task) == one.metric
        ]
    if not rows:
        return ""
    head = ["model", "task", "metric", "difference [95 %]", "p", "verdict"]
    title = f"\n## Against {escaped(_name(reference, first))}, item by item\n\n"
    note = "Intervals by paired bootstrap, p by approximate randomisation.\n\n"
    return title + note + table(head, rows)


def _judge(task: TaskResult) -> str:
    judge = dict(task.details.get("judge", {}))
    name = judge.pop("judge", "judge")
    cost = ", ".join(f"{key} {value:,}" for key, value in judge.items())
    title = f"\n## Is {escaped(str(name))} any good as a judge?\n\n"
    about = f"{task.items} answers that were scored before ({cost}); {task.failed} without a usable verdict.\n\n"
    return title + about + task_table(task)


def _reward(folder: Path) -> str:
    report: dict[str, Any] = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))["report"]
    names = ("unseen systems", "unseen roles", "unseen systems and roles")
    keys = ("answers", "answers, length held fixed", "correlation with length")
    rows = [["length alone", as_number(report["length"]["answers"]), as_number(0.0), as_number(1.0)]]
    rows += [[name, *(as_number(report[name][key]) for key in keys)] for name in names]
    head = ["on", "rank correlation with the scores", "with length held fixed", "rank correlation with length"]
    verdict = "It beats length on all three." if report["beats length"] else "**It fails: length alone does as well.**"
    title = "\n## Reward model\n\n"
    about = f"Distilled from {report['answers']:,} scored answers of published models. {verdict}\n\n"
    return title + about + table(head, rows)


def _origins(evaluations: Sequence[tuple[Path, Results]]) -> str:
    lines = ["\n## How this was made\n"]
    for folder, results in evaluations:
        facts = results.run
        machine = facts.get("machine", {})
        versions = ", ".join(f"{key} {value}" for key, value in facts.get("versions", {}).items())
        known = {"sha256": "adapter", "base_digest": "base", "precision": "precision"}
        identity = ", ".join(
            f"{word} {str(results.model[key])[:12]}" for key, word in known.items() if results.model.get(key)
        )
        lines.append(
            f"- {escaped(_name(results, folder))} ({identity}): seeds {', '.join(map(str, results.seeds))}, "
            f"{machine.get('threads', '?')} thread(s) of {machine.get('processor', '?')}; {versions}.\n"
        )
    return "\n".join(lines)
