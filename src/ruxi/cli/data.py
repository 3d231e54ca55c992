"""`ruxi data`: bring dialogues in, look at them, split them, take them out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruxi.errors import UsageError

if TYPE_CHECKING:
    from ruxi.dialogues.importers import ImportReport

data = typer.Typer(
    name="data",
    help="Bring dialogues in, look at them, split them, take them out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="An option of the format; may be repeated."),
]


class Storage(StrEnum):
    """How dialogues are stored."""

    JSONL = "jsonl"
    ZSTANDARD = "jsonl.zst"
    PARQUET = "parquet"


@data.command("formats")
def formats(as_json: AsJson = False) -> None:
    """List what can be imported and exported, with the options for `--set`."""
    from ruxi import plugins

    found = {
        kind: {name: _described(plugins.load(kind, name)) for name in plugins.names(kind)}
        for kind in ("importers", "exporters")
    }
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for kind, title in (("importers", "Import"), ("exporters", "Export")):
        typer.echo(f"{title}:")
        for name, described in found[kind].items():
            typer.echo(f"  {name:<24} {described['summary']}")
            for option, text in described["options"].items():
                typer.echo(f"      --set {option}=…  {text}")


@data.command("import")
def import_(
    format: Annotated[str, typer.Argument(metavar="FORMAT", help="Kind of source; see `ruxi data formats`.")],
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Folder or file to read.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the data set.")],
    settings: Settings = None,
    name: Annotated[str | None, typer.Option(help="Name of the data set.")] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX id or name of the data's licence.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the data set in OUT.")] = False,
    append: Annotated[bool, typer.Option("--append", help="Add to the data set in OUT.")] = False,
    storage: Annotated[Storage, typer.Option(help="How dialogues are stored.")] = Storage.JSONL,
    shard: Annotated[int | None, typer.Option(min=1, help="Dialogues in one file; all of them unless given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a source into a data set; what cannot be used is listed with file, line and remedy."""
    from ruxi.dialogues.importers import import_dataset, load_importer

    if replace and append:
        raise UsageError("--replace and --append exclude each other", remedy="Give one of them.")
    importer = load_importer(format, _pairs(settings))
    with _counter(f"{format} → {out}", hidden=as_json) as count:
        report = import_dataset(
            importer,
            source,
            out,
            name=name,
            licence=licence,
            mode="replace" if replace else "append" if append else "new",
            format=storage.value,
            shard_dialogues=shard,
            progress=count,
        )
    if as_json:
        typer.echo(json.dumps(_as_dict(report), ensure_ascii=False))
    else:
        _print_report(report, out)


def _described(plugin: Any) -> dict[str, Any]:
    fields = plugin.Options.model_fields
    return {"summary": plugin.summary, "options": {name: field.description or "" for name, field in fields.items()}}


def _pairs(settings: list[str] | None) -> dict[str, str]:
    pairs = {}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"{setting!r} has no '='", where="--set", remedy="Write --set NAME=VALUE.")
        pairs[name.strip()] = value
    return pairs


@contextmanager
def _counter(title: str, *, hidden: bool) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn(title), TextColumn("{task.completed:,} dialogues"), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda count: progress.update(task, completed=count)


def _as_dict(report: ImportReport) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(report), "dialogues_per_second": round(report.dialogues / max(report.seconds, 1e-6), 1)}


def _print_report(report: ImportReport, out: Path) -> None:
    def counted(counts: dict[str, int]) -> str:
        return ", ".join(f"{number:,} {name or 'none'}" for name, number in sorted(counts.items()))

    rate = report.dialogues / max(report.seconds, 1e-6)
    typer.echo(
        f"{out}: {report.dialogues:,} dialogues ({report.with_media:,} with media), {report.turns:,} turns, "
        f"{report.characters:,} characters, {report.media:,} media; {rate:,.0f} dialogues/s"
    )
    typer.echo(f"  languages: {counted(report.languages)}")
    typer.echo(f"  splits: {counted(report.splits)}")
    if not report.problems:
        return
    total = sum(report.problems.values())
    typer.echo(f"  {total:,} problems, {report.lost:,} records lost; all in {out / 'problems.jsonl'}:")
    for kind, number in report.problems.most_common():
        typer.echo(f"    {number:,} {kind}, for example")
        for problem in report.examples[kind]:
            typer.echo(f"      {problem}")
