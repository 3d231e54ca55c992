"""`ruxi train`: train by a recipe."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from ruxi.errors import UsageError


def train(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.", metavar="RECIPE")],
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Another value for a field, e.g. run.steps=10; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Train fusion, guidance and LoRA by a recipe; Ctrl-C leaves a run that --resume goes on with."""
    import yaml

    from ruxi.training.recipe import load_recipe

    overrides: dict[str, Any] = {}
    for change in changes or []:
        field, sign, value = change.partition("=")
        if not sign:
            raise UsageError(f"{change!r} is not FIELD=VALUE", where="--set", remedy="For example run.steps=10.")
        overrides[field] = yaml.safe_load(value)
    checked = load_recipe(recipe, overrides)
    folder = out or Path("runs") / checked.name

    from ruxi.training import run

    try:
        result = run.train(checked, folder, resume=resume, progress=_progress, quiet=as_json)
    except KeyboardInterrupt:
        typer.echo(f"Stopped. Go on with: ruxi train {recipe} --out {folder} --resume", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps({**vars(result), "folder": str(result.folder), "adapter": str(result.adapter)}))
        return
    why = "stopped early, the measure no longer got better" if result.stopped_early else "all steps taken"
    typer.echo(f"{result.steps} steps ({why})")
    for name, measure in sorted(result.metrics.items()):
        typer.echo(f"  {name.removeprefix('eval_').replace('_', ' ')}: {measure:.4f}")
    typer.echo(f"Adapter: {result.adapter}\nTalk with it: ruxi chat --model {result.adapter}")


def _progress(items: Iterable[Any], total: int) -> Iterable[Any]:
    """A bar on stderr while features or references are computed; nothing when all of them are there."""
    if not total:
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, "Preparing", total=total, console=Console(stderr=True))
