"""One pass over a data set with all checks, in flat memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from ruxi.dialogues.checks.fault import Checked, Fault, Place
from ruxi.dialogues.checks.report import Report
from ruxi.dialogues.checks.scratch import Scratch
from ruxi.dialogues.checks.settings import DATASET, CheckSettings
from ruxi.dialogues.checks.unreadable import faults_of_record, json_of
from ruxi.dialogues.shards import shards_of
from ruxi.dialogues.store import INFO_FILE, DatasetInfo, DialogueSet, StoredRecord
from ruxi.dialogues.words import words_of
from ruxi.errors import DataError
from ruxi.files import sha256_of

Progress = Callable[[int], None]
"""Called with the number of records looked at so far."""
_BATCH = 500
_DEFAULTS = CheckSettings()


def check(folder: str | Path, settings: CheckSettings = _DEFAULTS, on_progress: Progress | None = None) -> Report:
    """Look for every fault of a data set.

    Args:
        folder: The data set.
        settings: What to look for.
        on_progress: Called every few hundred records.

    Returns:
        The report; it holds a temporary file until it is closed (use it in a `with` block).

    Raises:
        DataError: The folder is no data set.
    """
    scratch = Scratch()
    try:
        dataset, faults = _open(Path(folder))
        scratch.add_faults(faults)
        rows = _look(dataset, settings, scratch, on_progress)
        return Report(dataset.path, settings, rows, scratch)
    except BaseException:
        scratch.close()
        raise


def _look(dataset: DialogueSet, settings: CheckSettings, scratch: Scratch, on_progress: Progress | None) -> int:
    checks = settings.checks(dataset, scratch)
    found: list[Fault] = []
    rows = 0
    for row, record in enumerate(dataset.records()):
        scratch.add_place(_place(row, record))
        if record.dialogue is None:
            found += (replace(fault, row=row) for fault in faults_of_record(record))
        else:
            checked = Checked(row, record.dialogue, [words_of(turn.text) for turn in record.dialogue.turns])
            for one in checks:
                found += (replace(fault, row=row) for fault in one.look(checked))
        rows = row + 1
        if rows % _BATCH == 0:
            scratch.add_faults(found)
            found.clear()
            if on_progress is not None:
                on_progress(rows)
    scratch.add_faults(found)
    scratch.flush()
    for one in checks:
        faults = iter(one.finish())
        while batch := list(islice(faults, _BATCH)):
            scratch.add_faults(batch)
    if DATASET not in settings.skip:
        scratch.add_faults(_dataset_faults(dataset, rows))
    if on_progress is not None:
        on_progress(rows)
    return rows


def _place(row: int, record: StoredRecord) -> Place:
    if record.dialogue is not None:
        return Place(row, record.file.name, record.line, record.dialogue.id, record.dialogue.split)
    data: Any = json_of(record.raw)
    identifier = data.get("id") if isinstance(data, dict) else None
    if isinstance(identifier, str):
        identifier = identifier.encode("utf-8", "replace").decode()
    return Place(row, record.file.name, record.line, identifier if isinstance(identifier, str) else None, None)


def _open(folder: Path) -> tuple[DialogueSet, Iterable[Fault]]:
    """Open the set even when only its dataset.json is damaged."""
    try:
        return DialogueSet.open(folder), ()
    except DataError as error:
        if not shards_of(folder) or not (folder / INFO_FILE).is_file():
            raise
        fault = Fault(
            DATASET,
            "error",
            f"cannot be read: {error.problem}",
            "Correct it; a fixed copy gets a new one.",
            file=INFO_FILE,
        )
        return DialogueSet(folder, DatasetInfo(name=folder.name)), (fault,)


def _dataset_faults(dataset: DialogueSet, rows: int) -> Iterator[Fault]:
    remedy = "Restore the file, or accept the change: a fixed copy gets a new dataset.json."
    for shard in shards_of(dataset.path):
        expected = dataset.info.digests.get(shard.name)
        if expected is not None and sha256_of(shard) != expected:
            yield Fault(
                DATASET, "warning", f"{shard.name} has changed since dataset.json was written", remedy, file=shard.name
            )
    for name in sorted(set(dataset.info.digests) - {shard.name for shard in shards_of(dataset.path)}):
        yield Fault(DATASET, "error", f"{name} is listed in dataset.json, but missing", remedy, file=name)
    expected_rows = dataset.info.counts.get("dialogues")
    if expected_rows is not None and expected_rows != rows:
        yield Fault(
            DATASET, "warning", f"it says {expected_rows:,} dialogues, but there are {rows:,}", remedy, file=INFO_FILE
        )
    if not dataset.info.licence:
        yield Fault(
            DATASET,
            "hint",
            "it names no licence",
            "Write down under which licence the data may be used.",
            file=INFO_FILE,
        )
