"""K-fold cross-validation: the same recipe on K divisions of its training and validation dialogues.

Groups (a campaign, an actor, a film; the dialogue itself where it has none) are never divided, and fall into the folds
that `ruxi data split --by group --folds K` gives them. Dialogues of the test split and held-out ones are in no fold.
Data and features are prepared once. Each fold is a run of its own in `fold-N/`, so that what was killed goes on with
the fold, and the step, that it was in.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from ruxi import files
from ruxi.dialogues.splits import fold_of
from ruxi.errors import DataError, UsageError
from ruxi.evaluation.tables import table
from ruxi.training import processes, run
from ruxi.training.building import build_model
from ruxi.training.examples import Example
from ruxi.training.media import Progress
from ruxi.training.recipe import Recipe
from ruxi.training.run import Prepared

FOLDS_FILE = "folds.json"


@dataclass(frozen=True)
class Fold:
    """What one fold gave.

    Attributes:
        number: From 1.
        trained: Examples trained on.
        held_out: Examples measured on.
        groups: Groups among those.
        steps: Optimiser steps taken.
        metrics: Measures of its best adapter.
    """

    number: int
    trained: int
    held_out: int
    groups: int
    steps: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class CrossValidation:
    """What all folds gave together.

    Attributes:
        folder: Where their runs, `folds.json`, `summary.md` and `folds.png` are.
        folds: In order.
        mean: Mean of each measure.
        deviation: Its sample standard deviation.
    """

    folder: Path
    folds: list[Fold]
    mean: dict[str, float]
    deviation: dict[str, float]


def cross_validate(
    recipe: Recipe,
    folder: Path,
    folds: int,
    *,
    resume: bool = False,
    progress: Progress = lambda items, total: items,
    on_evaluation: Callable[[dict[str, float]], None] = lambda metrics: None,
    quiet: bool = False,
) -> CrossValidation:
    """Train and measure once for each fold.

    Args:
        recipe: What to do in each of them.
        folder: Where to.
        folds: How many, at least 2.
        resume: Go on with a cross-validation that was stopped.
        progress: Shows how far the extraction of features is.
        on_evaluation: Called with the measures of each evaluation and their `fold`.
        quiet: No progress bar.

    Raises:
        UsageError: Fewer than two folds.
        DataError: The folder holds another cross-validation, or a fold would be empty.
    """
    if folds < 2:
        raise UsageError(f"{folds} fold(s) leave nothing to compare", where="--folds", remedy="Ask for 2 or more.")
    done = _begin(recipe, folder, folds, resume)
    everything = recipe.model_copy(update={"run": recipe.run.model_copy(update={"evaluation_limit": 10**9})})
    pool = run.prepare(everything, progress=progress)
    parts = [fold_part(pool, recipe, number, folds) for number in range(folds)]
    for number in range(len(done), folds):
        # The model of the fold before has learnt; one from the seed has not, and is the same in every fold.
        part = replace(parts[number], model=pool.model if number == 0 else build_model(recipe))
        result = run.train(
            recipe,
            folder / f"fold-{number + 1}",
            resume=True,
            prepared=part,
            on_evaluation=lambda metrics, fold=number + 1: on_evaluation({**metrics, "fold": fold}),  # type: ignore[misc]
            quiet=quiet,
        )
        groups = len({example.group for example in part.held_out})
        done.append(Fold(number + 1, len(part.train), len(part.held_out), groups, result.steps, result.metrics))
        _write(folder, recipe, folds, done)
    return _write(folder, recipe, folds, done)


def fold_part(pool: Prepared, recipe: Recipe, number: int, folds: int) -> Prepared:
    """One fold's division of all examples.

    Args:
        pool: All training and validation examples.
        recipe: Says how many examples are measured on at most.
        number: Which fold, from 0.
        folds: How many there are.

    Raises:
        DataError: The fold would have nothing to train or nothing to measure on.
    """
    train: list[Example] = []
    counts, held_out = [], []
    for examples in _by_source(pool):
        inside = [fold_of(example.group, folds) == number for example in examples]
        held_out.append([e for e, held in zip(examples, inside, strict=True) if held])
        mine = [e for e, held in zip(examples, inside, strict=True) if not held]
        train += mine
        counts.append(len(mine))
    share = run.limited(held_out, recipe.run.evaluation_limit)
    if not train or not any(share):
        groups = len({example.group for examples in _by_source(pool) for example in examples})
        raise DataError(
            f"fold {number + 1} of {folds} would be empty: there are {groups} groups",
            where="--folds",
            remedy="Ask for fewer folds.",
        )
    held = [e for examples in share for e in examples]
    return replace(pool, train=train, counts=counts, held_out=held, held_out_counts=[len(s) for s in share])


def _by_source(pool: Prepared) -> list[list[Example]]:
    sources = []
    at = below = 0
    for trained, held in zip(pool.counts, pool.held_out_counts, strict=True):
        sources.append([*pool.train[at : at + trained], *pool.held_out[below : below + held]])
        at, below = at + trained, below + held
    return sources


def _begin(recipe: Recipe, folder: Path, folds: int, resume: bool) -> list[Fold]:
    """Folds that are finished already."""
    path = folder / FOLDS_FILE
    there = path.is_file()
    # Every process must have looked before the first one writes.
    processes.join().wait_for_everyone()
    if not there:
        _write(folder, recipe, folds, [])
        return []
    if not resume:
        raise DataError(
            "holds a cross-validation already",
            where=str(folder),
            remedy="Add --resume to go on, or name another --out folder.",
        )
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["folds"] != folds or content["recipe"] != recipe.model_dump(mode="json"):
        raise DataError(
            f"holds {content['folds']} folds of another recipe or number",
            where=str(folder),
            remedy="Go on with the same recipe and number of folds, or name another --out folder.",
        )
    return [Fold(**fold) for fold in content["results"]]


def _write(folder: Path, recipe: Recipe, folds: int, done: list[Fold]) -> CrossValidation:
    names = [name for name in (done[0].metrics if done else {}) if all(name in fold.metrics for fold in done)]
    mean = {name: statistics.fmean(fold.metrics[name] for fold in done) for name in names}
    deviation = {
        name: statistics.stdev(fold.metrics[name] for fold in done) if len(done) > 1 else 0.0 for name in names
    }
    found = CrossValidation(folder, done, mean, deviation)
    if not processes.join().is_main_process:
        return found
    content = {
        "folds": folds,
        "mean": mean,
        "deviation": deviation,
        "results": [asdict(fold) for fold in done],
        "recipe": recipe.model_dump(mode="json"),
    }
    files.write_text(folder / FOLDS_FILE, json.dumps(content, indent=2))
    files.write_text(folder / "recipe.yaml", yaml.safe_dump(content["recipe"], sort_keys=False))
    if done:
        files.write_text(folder / "summary.md", _table(recipe, folds, done, mean, deviation))
        _draw(folder, recipe, done)
    return found


def _table(
    recipe: Recipe, folds: int, done: Sequence[Fold], mean: dict[str, float], deviation: dict[str, float]
) -> str:
    numbers = [f"fold {fold.number}" for fold in done]
    rows = [
        [_shown(name), f"{mean[name]:.4f}", f"{deviation[name]:.4f}", *(f"{f.metrics[name]:.4f}" for f in done)]
        for name in sorted(mean)
    ]
    for label, values in (
        ("examples trained on", [f.trained for f in done]),
        ("examples measured on", [f.held_out for f in done]),
        ("groups measured on", [f.groups for f in done]),
        ("steps", [f.steps for f in done]),
    ):
        rows.append([label, f"{statistics.fmean(values):.1f}", "", *map(str, values)])
    heading = ["measure", "mean", "standard deviation", *numbers]
    return f"# {recipe.name}: {len(done)} of {folds} folds\n\n{table(heading, rows)}"


def _shown(name: str) -> str:
    return name.removeprefix("eval_").replace("_", " ")


def _draw(folder: Path, recipe: Recipe, done: Sequence[Fold]) -> None:
    """The held-out metric of every fold along its steps, and where each ended."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    metric = f"eval_{recipe.run.measure}"
    figure, (curves, ends) = pyplot.subplots(1, 2, figsize=(10, 4), constrained_layout=True, width_ratios=[2, 1])
    for fold in done:
        points = [p for p in _evaluations(folder / f"fold-{fold.number}") if metric in p]
        curves.plot([p["step"] for p in points], [p[metric] for p in points], marker=".", label=f"fold {fold.number}")
    values = [fold.metrics[metric] for fold in done if metric in fold.metrics]
    if values:
        ends.scatter(range(1, len(values) + 1), values)
        ends.axhline(statistics.fmean(values), linestyle="--", label="mean")
        ends.set_xticks(range(1, len(values) + 1))
        ends.legend(fontsize=8)
    curves.set(xlabel="step", ylabel=_shown(metric))
    ends.set(xlabel="fold", ylabel=f"{_shown(metric)} of the best adapter")
    if curves.get_legend_handles_labels()[0]:
        curves.legend(fontsize=8)
    with files.writing(folder / "folds.png") as file:
        figure.savefig(file, format="png", dpi=120)
    pyplot.close(figure)


def _evaluations(folder: Path) -> list[dict[str, Any]]:
    path = folder / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
