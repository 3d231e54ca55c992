"""`ruxi train`: train by a recipe."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruxi.errors import UsageError

if TYPE_CHECKING:
    from ruxi.training.recipe import Recipe


def train(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.", metavar="RECIPE")],
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Another value for a field, e.g. run.steps=10; repeatable."),
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, metavar="K", help="Cross-validate: K runs, each measured on other groups.")
    ] = None,
    search: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Search hyper-parameters in N runs, pruned and resumable.")
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What to search, in YAML; by default the recipe's `search` section."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Train fusion, guidance and LoRA by a recipe; Ctrl-C leaves a run that --resume goes on with."""
    import yaml

    from ruxi.training.recipe import load_recipe

    if folds and search:
        raise UsageError("cross-validates and searches at once", where="--folds, --search", remedy="Choose one.")
    if space and not search:
        raise UsageError("is read by a search alone", where="--space", remedy="Add --search N.")
    overrides: dict[str, Any] = {}
    for change in changes or []:
        field, sign, value = change.partition("=")
        if not sign:
            raise UsageError(f"{change!r} is not FIELD=VALUE", where="--set", remedy="For example run.steps=10.")
        overrides[field] = yaml.safe_load(value)
    checked = load_recipe(recipe, overrides)
    folder = out or Path("runs") / (f"{checked.name}-{'folds' if folds else 'search' if search else ''}".rstrip("-"))
    try:
        if folds:
            lines, facts = _cross_validate(checked, folder, folds, resume, as_json)
        elif search:
            lines, facts = _search(checked, folder, search, space, resume, as_json)
        else:
            lines, facts = _train(checked, folder, resume, as_json)
    except KeyboardInterrupt:
        again = f"--folds {folds} " if folds else f"--search {search} " if search else ""
        typer.echo(f"Stopped. Go on with: ruxi train {recipe} {again}--out {folder} --resume", err=True)
        raise typer.Exit(130) from None
    if os.environ.get("RANK", "0") == "0":
        typer.echo(json.dumps(facts, default=str) if as_json else "\n".join(lines))


Outcome = tuple[list[str], dict[str, Any]]
"""Lines for a person and facts for a program."""


def _train(recipe: Recipe, folder: Path, resume: bool, as_json: bool) -> Outcome:
    from ruxi.training import run

    result = run.train(recipe, folder, resume=resume, progress=_progress, quiet=as_json)
    why = "stopped early, the measure no longer got better" if result.stopped_early else "all steps taken"
    lines = [f"{result.steps} steps ({why})"]
    lines += [f"  {_shown(name)}: {measure:.4f}" for name, measure in sorted(result.metrics.items())]
    return [*lines, f"Adapter: {result.adapter}", f"Talk with it: ruxi chat --model {result.adapter}"], vars(result)


def _cross_validate(recipe: Recipe, folder: Path, folds: int, resume: bool, as_json: bool) -> Outcome:
    from dataclasses import asdict

    from ruxi.training.folds import cross_validate

    result = cross_validate(recipe, folder, folds, resume=resume, progress=_progress, quiet=as_json)
    lines = [f"{len(result.folds)} folds, mean and standard deviation"]
    lines += [
        f"  {_shown(name)}: {mean:.4f} ± {result.deviation[name]:.4f}" for name, mean in sorted(result.mean.items())
    ]
    return [*lines, f"Table: {folder / 'summary.md'}"], asdict(result)


def _search(recipe: Recipe, folder: Path, trials: int, space: Path | None, resume: bool, as_json: bool) -> Outcome:
    from dataclasses import asdict

    from ruxi.training.search import search
    from ruxi.training.space import load_space

    result = search(
        recipe,
        folder,
        trials,
        space=load_space(space) if space else None,
        resume=resume,
        progress=_progress,
        on_trial=lambda line: typer.echo(line, err=True),
        quiet=True,
    )
    ended = ", ".join(f"{count} {state}" for state, count in result.trials.items())
    lines = [f"{ended}; best {_shown(recipe.run.metric)} {result.value:.4f}"]
    lines += [
        f"  {field}: {value:.4g}" if isinstance(value, float) else f"  {field}: {value}"
        for field, value in result.values.items()
    ]
    for evaluator, shares in result.importance.items():
        lines.append(
            f"Importance ({evaluator}): " + ", ".join(f"{field} {share:.2f}" for field, share in shares.items())
        )
    return [*lines, f"Table: {folder / 'summary.md'}", f"Train it: ruxi train {result.recipe}"], asdict(result)


def _shown(name: str) -> str:
    return name.removeprefix("eval_").replace("_", " ")


def _progress(items: Iterable[Any], total: int) -> Iterable[Any]:
    """A bar on stderr while features or references are computed; nothing when all of them are there."""
    if not total or os.environ.get("RANK", "0") != "0":
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, "Preparing", total=total, console=Console(stderr=True))
