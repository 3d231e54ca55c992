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
    from ruxi.dialogues.schema import Split

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
    with counter(f"{format} → {out}", hidden=as_json) as count:
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
        rate = round(report.dialogues / max(report.seconds, 1e-6), 1)
        typer.echo(json.dumps(_as_dict(report) | {"dialogues_per_second": rate}, ensure_ascii=False))
    else:
        _print_report(report, out)


@data.command("export")
def export(
    format: Annotated[str, typer.Argument(metavar="FORMAT", help="Kind of target; see `ruxi data formats`.")],
    dataset: Annotated[Path, typer.Argument(metavar="SET", help="The data set.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Take a data set to another tool; what the target cannot hold is named."""
    from ruxi.dialogues.exporters import export_dataset, load_exporter

    exporter = load_exporter(format, _pairs(settings))
    with counter(f"{dataset} → {format}", hidden=as_json) as count:
        report = export_dataset(exporter, dataset, out, progress=count)
    if as_json:
        typer.echo(json.dumps(_as_dict(report), ensure_ascii=False))
        return
    typer.echo(f"{out}: {report.dialogues:,} dialogues, {report.media:,} media")
    if report.lost:
        typer.echo(f"  {format} cannot hold:")
        for name, number in report.lost.most_common():
            typer.echo(f"    {name} ({number:,})")
    for line in report.unreadable[:5]:
        typer.echo(f"  not exported: {line}")
    if len(report.unreadable) > 5:
        typer.echo(f"  not exported: {len(report.unreadable) - 5:,} more; `ruxi data check` lists them")


@data.command("stats")
def stats(
    dataset: Annotated[Path, typer.Argument(metavar="SET", help="The data set.")],
    plots: Annotated[Path | None, typer.Option(metavar="DIR", help="Also draw the numbers, as PNG files.")] = None,
    as_json: AsJson = False,
) -> None:
    """Count what a data set holds: lengths, speakers, emotions, intents, languages, media, duplicates."""
    from ruxi.cli.data_tables import print_statistics
    from ruxi.dialogues import DialogueSet
    from ruxi.dialogues.plots import plot
    from ruxi.dialogues.stats import statistics

    opened = DialogueSet.open(dataset)
    with counter(str(dataset), hidden=as_json) as count:
        found = statistics(opened, progress=count)
    drawn = plot(found, plots, opened.info.name) if plots is not None else []
    if as_json:
        shown = _as_dict(found) | {
            "name": opened.info.name,
            "licence": opened.info.licence,
            "plots": [*map(str, drawn)],
        }
        for name in ("turn_lengths", "turns_per_dialogue"):
            histogram = getattr(found, name)
            shown[name] = {"mean": histogram.mean, "longest": histogram.longest, "bins": dict(histogram.rows())}
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    print_statistics(opened, found)
    for path in drawn:
        typer.echo(str(path))


@data.command("split")
def split(
    dataset: Annotated[Path, typer.Argument(metavar="SET", help="The data set; it is changed in place.")],
    ratios: Annotated[str, typer.Option(help="Share of each split.")] = "train=0.8,validation=0.1,test=0.1",
    by: Annotated[
        str, typer.Option(help="What stays together: dialogue, character, group (campaign, actor…), or a field.")
    ] = "dialogue",
    seed: Annotated[int, typer.Option(help="Another seed gives another division.")] = 0,
    folds: Annotated[int | None, typer.Option(min=2, help="Also note the folds of a cross-validation.")] = None,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="SPLIT", help="Leave the dialogues of this split; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Divide a data set by hash: the same dialogue always goes to the same place, whatever is added."""
    from ruxi.dialogues.splits import Splitter, split_dataset

    kept = frozenset(_split_name(name) for name in keep or [])
    splitter = Splitter(ratios=_ratios(ratios), by=by, seed=seed, keep=kept)
    with counter(str(dataset), hidden=as_json) as count:
        report = split_dataset(dataset, splitter, folds=folds, progress=count)
    if as_json:
        typer.echo(json.dumps(_as_dict(report), ensure_ascii=False))
        return
    for name in ("train", "validation", "test"):
        keys = f" of {report.keys[name]:,} keys" if report.keys else ""
        typer.echo(f"{name:<10} {report.dialogues[name]:>9,} dialogues{keys}")
    if report.held_out:
        typer.echo(f"  {report.held_out:,} of test are held out and stay there")
    for fold, number in sorted(report.folds.items()):
        typer.echo(f"fold {fold:<5} {number:>9,} dialogues to validate on")


def _ratios(text: str) -> dict[Split, float]:
    found: dict[Split, float] = {}
    for piece in text.split(","):
        name, _, value = piece.partition("=")
        try:
            found[_split_name(name.strip())] = float(value)
        except ValueError:
            remedy = "Write train=0.8,validation=0.1,test=0.1."
            raise UsageError(f"{piece!r} is no share of a split", where="--ratios", remedy=remedy) from None
    return found


def _split_name(name: str) -> Split:
    names: dict[str, Split] = {"train": "train", "validation": "validation", "test": "test"}
    if name not in names:
        raise UsageError(f"no split is called {name!r}", remedy="Splits: train, validation, test.")
    return names[name]


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
def counter(title: str, *, hidden: bool) -> Iterator[Callable[[int], None]]:
    """Show how many dialogues are done, on a terminal only; yields the function that takes the number."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn(title), TextColumn("{task.completed:,} dialogues"), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda count: progress.update(task, completed=count)


@contextmanager
def resumable(title: str, *, hidden: bool) -> Iterator[Callable[[int], None]]:
    """`counter` for a command that goes on where it was stopped, and says so when it is."""
    try:
        with counter(title, hidden=hidden) as count:
            yield count
    except KeyboardInterrupt:
        typer.echo("ruxi: stopped; the same command goes on where this one was", err=True)
        raise typer.Exit(130) from None


def tell(report: object, words: str, *, as_json: bool) -> None:
    """Print what was done: the report as one JSON object, or in words."""
    typer.echo(json.dumps(vars(report)) if as_json else words)


def _as_dict(report: object) -> dict[str, Any]:
    # `dataclasses.asdict` cannot copy a Counter before Python 3.12.
    from pydantic_core import to_jsonable_python

    found: dict[str, Any] = to_jsonable_python(report)
    return found


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
