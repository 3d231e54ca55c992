"""A repaired copy of a data set: nothing is lost, what was taken out lies in `rejected.jsonl` with the reason.

Only what is safe is repaired unasked: what stays means the same as before. Repairs that a person may see otherwise
(near-duplicates, personal data, passages in two splits) are made for the checks named in `also`.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from ruxi import files
from ruxi.dialogues.checks.fault import Fault
from ruxi.dialogues.checks.repairs import drop_emptied, repair
from ruxi.dialogues.checks.report import Report
from ruxi.dialogues.checks.settings import NAMES
from ruxi.dialogues.checks.unreadable import faults_of_json, json_of
from ruxi.dialogues.copying import copy_set, writer_like
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.store import DatasetInfo, DialogueSet, StoredRecord
from ruxi.dialogues.writer import DatasetWriter
from ruxi.errors import DataError, UsageError

REJECTED_NAME = "rejected.jsonl"
_ROUNDS = 6
"""A record is repaired and looked at again so often; a repair may uncover the next fault of the same field."""


@dataclass
class Fixed:
    """What a repair did.

    Attributes:
        folder: The repaired data set.
        kept: Number of dialogues in it.
        rejected: Number of records that were left out as a whole.
        repairs: Number of repairs by check.
    """

    folder: Path
    kept: int = 0
    rejected: int = 0
    repairs: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "folder": str(self.folder),
            "kept": self.kept,
            "rejected": self.rejected,
            "repairs": dict(self.repairs),
        }


def fix(report: Report, out: Path, also: Collection[str] = ()) -> Fixed:
    """Write a repaired copy of the data set that a report is about.

    Args:
        report: What a check found; the data set must not have changed since.
        out: Folder of the copy; it must not exist or be empty.
        also: Checks whose unsafe repairs are wanted as well.

    Raises:
        DataError: The folder is not free, or the disk is full.
        UsageError: `also` names no check.
    """
    if unknown := sorted(set(also) - set(NAMES)):
        raise UsageError(f"no check is called {unknown[0]!r}", remedy=f"Known: {', '.join(NAMES)}.")
    source = DialogueSet(report.folder, _info(report.folder))
    result = Fixed(out)
    with writer_like(source, out) as writer, files.writing(writer.folder / REJECTED_NAME) as rejected:
        _Pass(report, source, writer, set(also), result, rejected).run()
    return result


def fix_in_place(report: Report, also: Collection[str] = ()) -> Fixed:
    """Put the repaired copy in the place of the data set; the original stays beside it as `NAME.before-fix`.

    Raises:
        DataError: There is such a folder already.
    """
    folder = report.folder.resolve()
    backup = folder.with_name(f"{folder.name}.before-fix")
    if backup.exists():
        raise DataError(
            "the original of an earlier repair lies there", where=str(backup), remedy="Move it away or delete it first."
        )
    staging = folder.with_name(f".{folder.name}.fixed")
    if staging.exists():
        shutil.rmtree(staging)  # Left by a run that was killed.
    result = fix(report, staging, also)
    folder.rename(backup)
    staging.rename(folder)
    return replace(result, folder=folder)


class _Pass:
    """Goes through the records with their faults."""

    def __init__(
        self,
        report: Report,
        source: DialogueSet,
        writer: DatasetWriter,
        also: set[str],
        result: Fixed,
        rejected: BinaryIO,
    ) -> None:
        self._report = report
        self._source = source
        self._writer = writer
        self._also = also
        self._result = result
        self._rejected = rejected
        self._copier = copy_set(source, writer, without=frozenset({REJECTED_NAME}))

    def run(self) -> None:
        by_row = groupby((fault for fault in self._report.faults() if fault.row is not None), lambda fault: fault.row)
        row, faults = next(by_row, (None, iter(())))
        for number, record in enumerate(self._source.records()):
            wanted: list[Fault] = []
            if row == number:
                wanted = [fault for fault in faults if self._is_wanted(fault)]
                row, faults = next(by_row, (None, iter(())))
            self._one(record, wanted)

    def _is_wanted(self, fault: Fault) -> bool:
        return fault.repair is not None and (fault.safe or fault.check in self._also)

    def _one(self, record: StoredRecord, faults: list[Fault]) -> None:
        if record.dialogue is not None and not faults:
            self._keep(record, record.dialogue)
            return
        data = json_of(record.raw)
        drop = next((fault for fault in faults if fault.repair == "drop_dialogue"), None)
        if drop is not None or not isinstance(data, dict):
            self._reject(record, data, drop.check if drop else "types", drop.problem if drop else "not a dialogue")
            return
        notes: list[dict[str, Any]] = []
        done: Counter[str] = Counter()
        problem = _repaired(data, faults, notes, done)
        if problem is not None:
            self._reject(record, json_of(record.raw), "types", problem)
            return
        for note in notes:
            self._note(record, note)
        self._result.repairs += done
        self._keep(record, Dialogue.model_validate_json(json.dumps(data)))

    def _keep(self, record: StoredRecord, dialogue: Dialogue) -> None:
        if self._writer.has(dialogue.id):
            # A repair made this id (a number became text, a missing one was made up), and it is taken.
            dialogue = dialogue.model_copy(update={"id": f"{dialogue.id}~{record.file.name}:{record.line}"})
        self._copier.add(dialogue)
        self._result.kept += 1

    def _reject(self, record: StoredRecord, data: Any, check: str, reason: str) -> None:
        self._result.rejected += 1
        self._result.repairs[check] += 1
        raw = record.raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        self._note(record, {"check": check, "reason": reason, "taken_out": raw if data is None else data})

    def _note(self, record: StoredRecord, note: dict[str, Any]) -> None:
        entry = {"file": record.file.name, "line": record.line} | note
        self._rejected.write(json.dumps(entry).encode() + b"\n")


def _repaired(data: dict[str, Any], faults: list[Fault], notes: list[dict[str, Any]], done: Counter[str]) -> str | None:
    """Repair a record until it is a dialogue; return why it cannot become one, or None."""
    for _ in range(_ROUNDS):
        for fault, lost in repair(data, faults):
            place = {"dialogue": fault.dialogue, "turn": fault.turn, "part": fault.part, "repair": fault.repair}
            note = {"check": fault.check, "reason": fault.problem, "taken_out": lost}
            notes.append(note | {name: value for name, value in place.items() if value is not None})
        done.update(fault.check for fault in faults)
        for index, turn in drop_emptied(data):
            notes.append({"check": "turns", "reason": "nothing is left of the turn", "turn": index, "taken_out": turn})
        faults = list(faults_of_json(data))
        if any(fault.repair == "drop_dialogue" for fault in faults):
            return faults[0].problem
        if not faults:
            return None if data.get("turns") else "no turn is left"
    return faults[0].problem


def _info(folder: Path) -> DatasetInfo:
    try:
        return DialogueSet.open(folder).info
    except DataError:
        return DatasetInfo(name=folder.name)
