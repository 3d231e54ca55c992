"""`ruxi pull`: get the pinned pretrained parts, or list them."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from ruxi.weights import Progress

_STAGES = {
    "waiting": "another pull is running, waiting",
    "checking": "checking",
    "downloading": "downloading",
    "unpacking": "unpacking and verifying",
    "preparing": "preparing for fast loading",
    "ready": "ready",
}


def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="The parts to get; all of them by default."),
    ] = None,
    list_parts: Annotated[
        bool, typer.Option("--list", help="Show the parts, their sizes, licences and state; get nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Get the pinned pretrained parts.

    Each is downloaded once with pip (so your index, mirror or proxy counts), checked against its SHA-256 and
    kept in the store: the folder in RUXI_HOME, or the user's cache folder. Parts that are already there are
    checked again, without using the network.
    """
    if list_parts:
        _show_list(names, as_json)
        return
    from ruxi import weights

    try:
        with _shown_progress() as progress:
            pulled = weights.pull(names or None, progress)
    except KeyboardInterrupt:
        typer.echo("ruxi: stopped; complete parts are kept. Run `ruxi pull` again to get the rest.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        parts = [
            {"name": part.name, "status": part.status, "folder": str(part.folder), "bytes": part.bytes}
            | {"seconds": part.seconds}
            for part in pulled
        ]
        typer.echo(json.dumps({"store": str(weights.Store().root), "parts": parts}))
        return
    for part in pulled:
        typer.echo(f"{part.name}: {part.status} in {part.folder}")


def _shown_progress() -> AbstractContextManager[Progress]:
    """A bar per part on a terminal; one line per step of a part elsewhere."""
    from rich.console import Console

    console = Console(file=sys.stderr)
    return _Bars(console) if console.is_terminal else nullcontext(_print_lines())


def _print_lines() -> Progress:
    last: dict[str, str] = {}

    def progress(name: str, stage: str, done: int, total: int) -> None:
        if last.get(name) != stage and stage not in ("checking", "ready"):
            size = f" {total / 1e6:.0f} MB" if total else ""
            typer.echo(f"{name}: {_STAGES[stage]}{size}", err=True)
        last[name] = stage

    return progress


class _Bars(AbstractContextManager["_Bars"]):
    """Draws what `weights.pull` reports."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("{task.fields[stage]}"),
            console=console,
            transient=True,
        )

    def __enter__(self) -> _Bars:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def __call__(self, name: str, stage: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=None, stage="")
        task = self._tasks[name]
        if stage == "downloading":
            self._bars.update(task, completed=done, total=total, stage=_STAGES[stage])
        else:
            self._bars.update(task, stage=_STAGES[stage])
        if stage == "ready":
            self._bars.update(task, visible=False)


def _show_list(names: list[str] | None, as_json: bool) -> None:
    from ruxi.weights import Store

    store = Store()
    parts = [store.part(name) for name in names] if names else list(store.parts.values())
    states = [store.fault(part) or store.prepared_fault(part) or "installed" for part in parts]
    if as_json:
        rows = [
            {
                "name": part.name,
                "role": part.role,
                "licence": part.licence,
                "origin": part.origin,
                "packages": [wheel.requirement for wheel in part.wheels],
                "download_bytes": part.download_size,
                "sha256": {file.name: file.sha256 for file in part.files},
                "folder": str(store.folder(part)),
                "state": state,
            }
            for part, state in zip(parts, states, strict=True)
        ]
        typer.echo(json.dumps({"store": str(store.root), "parts": rows}))
        return
    for part, state in zip(parts, states, strict=True):
        typer.echo(f"{part.name}: {state}")
        typer.echo(f"  {part.role}; {part.download_size / 1e6:.0f} MB to download; licence {part.licence}")
        typer.echo(f"  from {part.origin}")
    typer.echo(f"Store: {store.root}")
