"""`ruxi compress`: export a model for the fast engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ruxi.compress.export import Progress


def compress(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="ruxi-mini, an adapter folder, a model folder, or a Hugging Face id.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the result.")],
    to: Annotated[Literal["onnx"], typer.Option(help="What to make of it.")] = "onnx",
    precision: Annotated[
        Literal["fp32", "int8", "int4", "auto"],
        typer.Option(help="Weights of the decoder; auto: the smallest that answers nearly as well."),
    ] = "auto",
    replace: Annotated[bool, typer.Option("--replace", help="Replace a bundle that is there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make a model smaller and faster.

    The result is a folder that runs with ONNX Runtime, without torch: `ruxi chat --model DIR --engine onnx`.
    """
    from ruxi.compress.export import export

    with progress_bar(hidden=as_json) as progress:
        bundle = export(model, out, precision, replace=replace, progress=progress)
    sizes = {path.name: path.stat().st_size for path in sorted(bundle.folder.iterdir())}
    if as_json:
        facts = bundle.config.model_dump(mode="json", include={"name", "precision", "bits", "shape", "fusion"})
        typer.echo(json.dumps({"folder": str(out), **facts, "bytes": sizes}))
        return
    for name, size in sizes.items():
        typer.echo(f"{size / 1e6:>10.1f} MB  {name}")
    typer.echo(f"{sum(sizes.values()) / 1e6:>10.1f} MB  in all, in {out}")
    typer.echo(f"Talk with it: ruxi chat --model {out} --engine onnx")


@contextmanager
def progress_bar(*, hidden: bool) -> Iterator[Progress]:
    """A bar on stderr, one line a thing that is written."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), disable=hidden, transient=True) as bar:
        tasks = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(f"Writing {what}", total=total)
            bar.update(tasks[what], completed=done)

        yield progress
