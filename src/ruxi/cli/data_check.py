"""`ruxi data check`: every fault of a data set in one report; `--fix` writes a repaired copy."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruxi.cli.data import AsJson, counter
from ruxi.errors import UsageError

if TYPE_CHECKING:
    from ruxi.dialogues.checks import Fixed, Report

_SHOWN = 5


class Depth(StrEnum):
    """How closely media are looked at."""

    NONE = "none"
    CONTENT = "content"
    DECODE = "decode"


def check(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder of a data set.")],
    fix: Annotated[
        bool, typer.Option("--fix", help="Write a repaired copy; what is taken out is kept beside it.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the repaired copy; SET-fixed unless given.")
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Put the copy in the set's place; the original becomes SET.before-fix.")
    ] = False,
    also: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="Also make this check's repairs that change meaning.")
    ] = None,
    skip: Annotated[list[str] | None, typer.Option(metavar="CHECK", help="Leave a check out; may be repeated.")] = None,
    media: Annotated[Depth, typer.Option(help="How closely to look at media.")] = Depth.CONTENT,
    similarity: Annotated[
        float, typer.Option(min=0.3, max=1.0, help="Share of common word triples that makes near-duplicates.")
    ] = 0.8,
    by_character: Annotated[
        bool, typer.Option("--by-character", help="Also report characters that speak in several splits.")
    ] = False,
    embed: Annotated[
        bool, typer.Option("--embed", help="Compare labels by sentence embeddings instead of words.")
    ] = False,
    report_to: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write check.json and check.md there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for every fault of a data set. Exit code 1 if there are errors that were not repaired."""
    from ruxi.dialogues.checks import CheckSettings
    from ruxi.dialogues.checks import check as run

    if not fix and (out is not None or in_place or also):
        raise UsageError("--out, --in-place and --also say how to repair", remedy="Add --fix.")
    if out is not None and in_place:
        raise UsageError("--out and --in-place exclude each other", remedy="Give one of them.")
    settings = CheckSettings(
        skip=frozenset(skip or ()),
        media=media.value,
        near_duplicates=similarity,
        by_character=by_character,
        embedder=_embedder() if embed else None,
    )
    with counter(f"check {folder}", hidden=as_json) as count, run(folder, settings, count) as report:
        fixed = _fix(report, out, in_place, also or []) if fix else None
        for target in (report_to, fixed.folder if fixed else None):
            if target is not None:
                report.write(target)
        if as_json:
            sys.stdout.writelines(report.json(**({"fixed": fixed.summary()} if fixed else {})))
        else:
            _print(report, fixed)
        if report.count("error") and not fixed:
            raise typer.Exit(1)


def _embedder() -> Any:
    from ruxi.features import load_embedder

    return load_embedder()


def _fix(report: Report, out: Path | None, in_place: bool, also: list[str]) -> Fixed:
    from ruxi.dialogues.checks import fix, fix_in_place

    if in_place:
        return fix_in_place(report, also)
    folder = report.folder.resolve()
    return fix(report, out or folder.with_name(f"{folder.name}-fixed"), also)


def _print(report: Report, fixed: Fixed | None) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False, soft_wrap=True)
    table = Table("check", title=f"{report.folder}: {report.records:,} records", title_justify="left")
    for severity in ("errors", "warnings", "hints"):
        table.add_column(severity, justify="right")
    for name, found in report.counts.items():
        table.add_row(name, *(f"{found.get(severity, 0):,}" for severity in ("error", "warning", "hint")))
    if report.counts:
        console.print(table)
    for name, found in report.counts.items():
        console.print(f"\n{name}")
        for fault in report.faults(name, _SHOWN):
            console.print(f"  {fault.severity}: {_visible(fault.place)}: {_visible(fault.problem)}. {fault.remedy}")
        if (total := sum(found.values())) > _SHOWN:
            console.print(f"  … and {total - _SHOWN:,} more; `--report DIR` writes them all")
    if not report.counts:
        console.print(f"{report.folder}: {report.records:,} records, no fault")
    if fixed is not None:
        repairs = ", ".join(f"{count:,} {name}" for name, count in fixed.repairs.most_common()) or "none"
        console.print(
            f"\n{fixed.folder}: {fixed.kept:,} dialogues, {fixed.rejected:,} records taken out"
            f" (kept in rejected.jsonl); repairs: {repairs}"
        )


def _visible(text: str) -> str:
    """Text of the data with control characters made visible, so that it cannot steer the terminal."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
