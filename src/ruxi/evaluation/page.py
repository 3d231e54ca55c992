"""One page for several models: every task in one table, significance against the first, and how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruxi.errors import DataError
from ruxi.evaluation.comparison import Comparison, compare_folders
from ruxi.evaluation.results import Results, TaskResult
from ruxi.evaluation.reward import CONFIG_FILE
from ruxi.evaluation.tables import as_number, escaped, side_by_side, table, task_table

_ABOUT_JUDGES = "judge_agreement"
_ABLATION_METRICS = 2
_ADAPTER_FOLDER = "adapter"


def results_page(models: Mapping[str, Path], ablation: Mapping[str, Path] | None = None) -> str:
    """The results of several evaluations as Markdown.

    Args:
        models: Result folders of `ruxi eval`, and of `ruxi reward`, by what they are called. The others are compared
            with the first one of a model.
        ablation: Result folders of variants of one model, for a table of their own.

    Raises:
        DataError: A folder holds no results.
    """
    rewards = {name: folder for name, folder in models.items() if (folder / CONFIG_FILE).is_file()}
    evaluations = _loaded({name: folder for name, folder in models.items() if name not in rewards})
    variants = _loaded(ablation or {})
    asked = {name: found for name, found in evaluations.items() if _of_models(found[1]).tasks}
    judges = [task for _, results in evaluations.values() for task in results.tasks if task.task == _ABOUT_JUDGES]
    parts = ["# Results\n", _HOW_TO_READ]
    if asked:
        named = [(name, _of_models(results)) for name, (_, results) in asked.items()]
        parts += ["## Models\n", side_by_side(named), _differences(asked)]
    if variants:
        named = [(name, _of_models(results)) for name, (_, results) in variants.items()]
        parts += ["\n## Ablation\n", side_by_side(named, most=_ABLATION_METRICS), _differences(variants)]
    parts += [_judge(task) for task in judges]
    parts += [_reward(folder) for folder in rewards.values()]
    parts.append(_origins({**evaluations, **variants}))
    return "\n".join(part for part in parts if part)


_HOW_TO_READ = (
    "Values stand with their 95 % bootstrap intervals over dialogues; the best value is bold. The last column holds "
    "the floors, computed on the same items by the same code: chance, the most frequent class, word "
    "overlap (TF-IDF), a classifier of words; and the true replies where a model makes up its own. What each task "
    "measures is told by `ruxi eval --list` and in [Measure a model](how-to/evaluate.md).\n"
)

_Evaluation = tuple[Path, Results]


def _loaded(folders: Mapping[str, Path]) -> dict[str, _Evaluation]:
    return {name: (folder, Results.load(folder)) for name, folder in folders.items()}


def _of_models(results: Results) -> Results:
    return results.model_copy(update={"tasks": [task for task in results.tasks if task.task != _ABOUT_JUDGES]})


def _differences(models: Mapping[str, _Evaluation]) -> str:
    """Headline metrics of every model against the first one, on the same items."""
    (reference, (first, _)), *others = models.items()
    rows = []
    for name, (folder, results) in others:
        try:
            found: Comparison = compare_folders(first, folder)
        except DataError:
            continue
        headlines = {task.label: task.metrics[0].name for task in results.tasks if task.metrics}
        rows += [
            [
                escaped(name),
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
    title = f"\n### Against {escaped(reference)}, item by item\n\n"
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
    relative = "length over the true reply's"
    rows = [["length alone", as_number(report["length"]["answers"]), as_number(0.0), as_number(1.0)]]
    if relative in report:
        rows.append([relative, as_number(report[relative]["answers"]), "–", "–"])
    rows += [[name, *(as_number(report[name][key]) for key in keys)] for name in names]
    head = ["on", "rank correlation with the scores", "with length held fixed", "rank correlation with length"]
    verdict = "It beats length on all three." if report["beats length"] else "**It fails: length alone does as well.**"
    title = "\n## Reward model\n\n"
    about = f"Distilled from {report['answers']:,} scored answers of published models. {verdict}\n\n"
    return title + about + table(head, rows)


def _origins(evaluations: Mapping[str, _Evaluation]) -> str:
    lines = ["\n## How this was made\n"]
    for name, (_, results) in evaluations.items():
        facts = results.run
        machine = facts.get("machine", {})
        versions = ", ".join(f"{key} {value}" for key, value in facts.get("versions", {}).items())
        known = {"sha256": "adapter", "base_digest": "base", "precision": "precision"}
        identity = ", ".join(
            f"{word} {str(results.model[key])[:12]}" for key, word in known.items() if results.model.get(key)
        )
        lines.append(
            f"- {escaped(name)} ({identity}): seeds {', '.join(map(str, results.seeds))}, "
            f"{machine.get('threads', '?')} thread(s) of {machine.get('processor', '?')}; {versions}. "
            f"`{_command(facts.get('command', []))}`\n"
        )
    return "\n".join(lines)


def _command(words: Sequence[str]) -> str:
    """A command as one would type it elsewhere: of paths that exist on one machine alone, their last piece is left."""
    return " ".join(_portable(str(word)) for word in words)


def _portable(word: str) -> str:
    option, equals, value = word.rpartition("=")
    if not value.startswith("/"):
        return word
    path = Path(value)
    return f"{option}{equals}{path.parent.name if path.name == _ADAPTER_FOLDER else path.name}"
