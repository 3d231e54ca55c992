"""Runs an importer: source in, data set and report out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ruxi import plugins
from ruxi.dialogues.importers.base import ImportContext, Importer, ImportReport
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.store import explain
from ruxi.dialogues.writer import DatasetWriter, Format, Mode
from ruxi.errors import DataError, UsageError

PROBLEMS_FILE = "problems.jsonl"


def load_importer(name: str, options: Mapping[str, Any] | None = None) -> Importer:
    """The importer of this name with its options set.

    Raises:
        UsageError: There is no such importer, or it does not take an option or its value.
    """
    kind: type[Importer] = plugins.load("importers", name)
    try:
        return kind(kind.Options.model_validate(dict(options or {})))
    except ValidationError as error:
        known = ", ".join(kind.Options.model_fields) or "none"
        raise UsageError(explain(error), where=f"importer {name}", remedy=f"Options: {known}.") from None


def import_dataset(
    importer: Importer,
    source: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    licence: str | None = None,
    mode: Mode = "new",
    format: Format = "jsonl",
    shard_dialogues: int | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> ImportReport:
    """Import a source into a data set.

    Args:
        importer: From `load_importer`.
        source: The folder or file to read.
        out: The folder of the data set.
        name: The data set's name; the importer's unless given.
        licence: Of the data, unless the importer knows it.
        mode: `new`, `replace` or `append`; see `DatasetWriter`.
        format: How the dialogues are stored.
        shard_dialogues: Dialogues in one file.
        progress: Called with the number of dialogues so far.

    Returns:
        Counts and problems; every problem is also a line of the data set's `problems.jsonl`.

    Raises:
        DataError: The source is not of this kind, or nothing in it could be used. Nothing is written then.
    """
    # Without '..' in it, names in the data can be checked against it.
    source, started = Path(os.path.abspath(source)), time.monotonic()
    report = ImportReport()
    writer = DatasetWriter(
        out,
        name=name or importer.name,
        source=importer.source,
        licence=licence or importer.licence,
        mode=mode,
        format=format,
        shard_dialogues=shard_dialogues,
    )
    with writer, (writer.folder / PROBLEMS_FILE).open("ab") as problems:
        root = source if source.is_dir() else source.parent
        context = ImportContext(root, writer, report, problems)
        _write(importer.read(source, context), writer, context, report, source, importer.name, progress)
        if report.dialogues == 0:
            first = next((str(found[0]) for found in report.examples.values()), "it holds no records")
            raise DataError(
                f"no dialogue could be read as {importer.name} ({first.rstrip('.')})",
                where=str(source),
                remedy="Check that the source is of this kind.",
            )
        writer.info.problems += sum(report.problems.values())
    if not sum(report.problems.values()) and mode != "append":
        (writer.path / PROBLEMS_FILE).unlink()
    report.characters = writer.info.counts["characters"]
    report.media = writer.info.counts["media"]
    report.seconds = time.monotonic() - started
    return report


def _write(
    dialogues: Iterable[Dialogue],
    writer: DatasetWriter,
    context: ImportContext,
    report: ImportReport,
    source: Path,
    importer: str,
    progress: Callable[[int], None],
) -> None:
    for dialogue in dialogues:
        if writer.has(dialogue.id):
            fresh = next(f"{dialogue.id}~{n}" for n in range(2, 1 << 30) if not writer.has(f"{dialogue.id}~{n}"))
            problem = f"a second dialogue has the id {dialogue.id!r}; it is now {fresh!r}"
            context.problem("duplicate id", problem, file=source, remedy="Give every dialogue an id of its own.")
            dialogue.id = fresh
        if dialogue.source is None:
            dialogue.source = importer
        writer.add(dialogue)
        report.dialogues += 1
        report.turns += len(dialogue.turns)
        report.languages[dialogue.language or ""] += 1
        report.splits[dialogue.split or ""] += 1
        report.with_media += any(part.media for turn in dialogue.turns for part in turn.parts)
        progress(report.dialogues)
