"""Records on disk: one line an item, kept as soon as it is there, so that a stopped evaluation goes on.

The first line says what the records belong to: model, data, task with its options, seed. Records of anything else are
never taken for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ruxi import files
from ruxi.errors import DataError, UsageError
from ruxi.evaluation.task import Record


class RecordFile:
    """The records of one task on one data set with one seed.

    Args:
        path: The file.
        belongs_to: What identifies the records.
    """

    def __init__(self, path: Path, belongs_to: Mapping[str, Any]) -> None:
        self.path = path
        self._belongs_to = json.loads(json.dumps(dict(belongs_to), sort_keys=True))

    def open(self, *, replace: bool = False) -> dict[str, Record]:
        """The records that are there, by item; begins the file if there is none.

        Args:
            replace: Begin anew, whatever is there.

        Raises:
            UsageError: The file holds records of something else.
        """
        if replace or not self.path.is_file():
            files.write_text(self.path, json.dumps(self._belongs_to, sort_keys=True, ensure_ascii=False) + "\n")
            return {}
        lines = self.path.read_bytes().split(b"\n")
        known = files.json_object(lines[0])
        if known != self._belongs_to:
            there, wanted = known or {}, self._belongs_to
            differing = sorted(key for key in {*wanted, *there} if there.get(key) != wanted.get(key))
            raise UsageError(
                f"holds records of another evaluation ({', '.join(differing)} differ)",
                where=str(self.path),
                remedy="Give another --out, or --replace.",
            )
        if lines[-1]:
            # A kill in the middle of a line: its item is asked again.
            files.write_bytes(self.path, b"\n".join(lines[:-1]) + b"\n")
        return {record.id: record for record in _records(lines[1:-1])}

    def add(self, records: Iterable[Record]) -> None:
        """Keep some records."""
        for record in records:
            files.append_line(self.path, json.dumps(asdict(record), ensure_ascii=False, default=str))


def read_records(path: Path) -> tuple[dict[str, Any], list[Record]]:
    """What a file's records belong to, and the records.

    Raises:
        DataError: The file is not there or cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror})",
            where=str(path),
            remedy="A comparison needs the whole result folder, with its records.",
        ) from None
    found = {record.id: record for record in _records(lines[1:])}
    return files.json_object(lines[0]) or {}, list(found.values())


def write_floors(path: Path, floors: Mapping[str, Sequence[Record]]) -> None:
    """Keep the records of the floors beside the model's."""
    lines = [
        json.dumps({"floor": name, **asdict(record)}, ensure_ascii=False)
        for name, records in floors.items()
        for record in records
    ]
    files.write_text(path, "".join(f"{line}\n" for line in lines))


def _records(lines: Sequence[bytes]) -> Iterable[Record]:
    for line in lines:
        found = files.json_object(line)
        if found is not None:
            yield Record(found["id"], found["cluster"], found["values"], found["shown"])
