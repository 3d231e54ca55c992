"""Where a check run keeps what it has seen: a temporary SQLite file, so that memory stays flat at any size.

The file is deleted when the run ends; nothing in it outlives the report.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ruxi.dialogues.checks.fault import Fault, Place, Severity

_SCHEMA = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384; PRAGMA temp_store = FILE;
CREATE TABLE place (row INTEGER PRIMARY KEY, file TEXT, line INTEGER, id TEXT, split TEXT);
CREATE TABLE fault (row INTEGER, turn INTEGER, part INTEGER, name TEXT, severity TEXT, fault TEXT);
BEGIN;
"""
_BATCH = 1000


class Scratch:
    """Rows seen so far, faults found so far, and tables or files of the checks' own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ruxi-check-"))
        self.database = sqlite3.connect(self.folder / "scratch.sqlite", isolation_level=None)
        self.database.executescript(_SCHEMA)
        self._places: list[tuple[int, str, int, str | None, str | None]] = []
        self._indexed = False

    def close(self) -> None:
        """Delete everything."""
        self.database.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add_place(self, place: Place) -> None:
        """Note where a record lies; rows come in order."""
        self._places.append((place.row, place.file, place.line, place.dialogue, place.split))
        if len(self._places) >= _BATCH:
            self.flush()

    def place(self, row: int) -> Place:
        """Where a record lies."""
        if self._places and row >= self._places[0][0]:
            return Place(*self._places[row - self._places[0][0]])  # type: ignore[arg-type]
        found = self.database.execute("SELECT row, file, line, id, split FROM place WHERE row = ?", (row,))
        return Place(*found.fetchone())

    def flush(self) -> None:
        """Write the places that are still in memory, so that queries see them."""
        self.database.executemany("INSERT INTO place VALUES (?, ?, ?, ?, ?)", self._places)
        self._places.clear()

    def add_faults(self, faults: Iterable[Fault]) -> None:
        """Keep faults, each with the place of its row."""
        self.database.executemany("INSERT INTO fault VALUES (?, ?, ?, ?, ?, ?)", map(self._stored, faults))

    def faults(self, check: str | None = None, limit: int = -1) -> Iterator[Fault]:
        """The faults in reading order, of one check if asked, at most `limit` of them."""
        if not self._indexed:
            self.database.execute("CREATE INDEX fault_by_place ON fault (row, turn, part)")
            self._indexed = True
        rows = self.database.execute(
            "SELECT fault FROM fault WHERE ? IS NULL OR name = ? ORDER BY row, turn, part LIMIT ?",
            (check, check, limit),
        )
        return (Fault(**json.loads(text)) for (text,) in rows)

    def counts(self) -> dict[str, dict[Severity, int]]:
        """Number of faults by check and severity."""
        found: dict[str, dict[Severity, int]] = {}
        query = "SELECT name, severity, count(*) FROM fault GROUP BY name, severity ORDER BY name"
        for name, severity, count in self.database.execute(query):
            found.setdefault(name, {})[severity] = count
        return found

    def _stored(self, fault: Fault) -> tuple[Any, ...]:
        if fault.row is not None:
            place = self.place(fault.row)
            fault = replace(fault, file=place.file, line=place.line, dialogue=place.dialogue)
        kept = {name: value for name, value in asdict(fault).items() if value is not None}
        text = json.dumps(kept)
        return fault.row, fault.turn, fault.part, fault.check, fault.severity, text
