"""Runs an exporter: data set in, files and report out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ruxi import files, plugins
from ruxi.dialogues.exporters.base import Exporter, ExportReport
from ruxi.dialogues.store import DialogueSet, explain
from ruxi.errors import DataError, UsageError


def load_exporter(name: str, options: Mapping[str, Any] | None = None) -> Exporter:
    """The exporter of this name with its options set.

    Raises:
        UsageError: There is no such exporter, or it does not take an option or its value.
    """
    kind: type[Exporter] = plugins.load("exporters", name)
    try:
        return kind(kind.Options.model_validate(dict(options or {})))
    except ValidationError as error:
        known = ", ".join(kind.Options.model_fields) or "none"
        raise UsageError(explain(error), where=f"exporter {name}", remedy=f"Options: {known}.") from None


def export_dataset(
    exporter: Exporter, source: str | Path, out: str | Path, *, progress: Callable[[int], None] = lambda count: None
) -> ExportReport:
    """Export a data set into a folder, which appears only when everything is written.

    Args:
        exporter: From `load_exporter`.
        source: The data set.
        out: The folder; it must not exist or be empty.
        progress: Called with the number of dialogues so far.

    Returns:
        Counts, and the name of everything that the target cannot hold.

    Raises:
        DataError: The data set cannot be opened, or the folder holds something.
    """
    data, out, report = DialogueSet.open(source), Path(out), ExportReport()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError("is not an empty folder", where=str(out), remedy="Choose another one.")
    with files.new_folder(out) as folder:
        exporter.write(data, folder, report, progress)
    return report
