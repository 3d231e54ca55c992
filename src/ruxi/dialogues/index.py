"""Where each dialogue of a data set lies: an SQLite file beside the shards.

SQLite, because memory then stays flat at any number of dialogues, and because several processes may read it
at once. The index knows the size and time of every shard; when one of them changed it is built again from the
shards, which are the only truth.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic_core import from_json

from ruxi.dialogues.shards import Line, lines_of, shards_of
from ruxi.errors import DataError

FILE_NAME = ".index.sqlite"
_VERSION = "1"
_SCHEMA = """
CREATE TABLE record (
    ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL, shard TEXT NOT NULL, block INTEGER NOT NULL,
    offset INTEGER NOT NULL, split TEXT, turns INTEGER NOT NULL
);
CREATE INDEX by_id ON record (id);
CREATE TABLE shard (name TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL);
"""


class IndexBuilder:
    """Writes an index; records must come in reading order.

    Args:
        path: The file; None for an index that is only needed until it is closed.
    """

    def __init__(self, path: Path | None) -> None:
        self._connection = sqlite3.connect(path or "", isolation_level=None)
        self._connection.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384;" + _SCHEMA
        )
        self._connection.execute(f"PRAGMA user_version = {_VERSION}")
        self._connection.execute("BEGIN")
        self._count = 0

    def has(self, identifier: str) -> bool:
        """Whether a dialogue of this id was added."""
        return self._connection.execute("SELECT 1 FROM record WHERE id = ?", (identifier,)).fetchone() is not None

    def add(self, identifier: str, shard: str, block: int, offset: int, split: str | None, turns: int) -> None:
        """Note where a dialogue lies."""
        row = (self._count, identifier, shard, block, offset, split, turns)
        self._connection.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        self._count += 1

    def finish(self, folder: Path) -> None:
        """Note the state of the shards that the index describes, and close it."""
        self._connection.executemany("INSERT INTO shard VALUES (?, ?, ?)", _fingerprint(folder))
        self._connection.execute("COMMIT")
        self._connection.close()

    def close(self) -> None:
        """Drop the index without finishing it."""
        self._connection.close()


class Index:
    """Reads an index; usable from several threads and after a fork."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The index of a data set, built now if there is none or the shards have changed."""
        kept = folder / FILE_NAME
        if _is_current(kept, folder):
            return cls(kept)
        return cls(_build(folder, kept))

    def find(self, identifier: str) -> list[tuple[str, int, int]]:
        """Every (shard, block, offset) under this id; two or more when the id is not unique."""
        return self._rows("SELECT shard, block, offset FROM record WHERE id = ? ORDER BY ordinal", (identifier,))

    def at(self, ordinal: int) -> tuple[str, int, int] | None:
        """The (shard, block, offset) of the n-th readable dialogue."""
        rows = self._rows("SELECT shard, block, offset FROM record WHERE ordinal = ?", (ordinal,))
        return rows[0] if rows else None

    def ids(self, split: str | None) -> Iterator[str]:
        """The ids in reading order, of one split if asked, a thousand at a time."""
        last = -1
        query = (
            "SELECT ordinal, id FROM record WHERE ordinal > ? AND (? IS NULL OR split = ?) ORDER BY ordinal LIMIT 1000"
        )
        while rows := self._rows(query, (last, split, split)):
            yield from (identifier for _, identifier in rows)
            last = rows[-1][0]

    def totals(self) -> tuple[int, int, dict[str, int]]:
        """Number of dialogues, number of turns, and dialogues per split (`""` for those without one)."""
        rows = self._rows("SELECT coalesce(split, ''), count(*), sum(turns) FROM record GROUP BY 1 ORDER BY 1", ())
        return sum(row[1] for row in rows), sum(row[2] for row in rows), {row[0]: row[1] for row in rows}

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        if self._connection is None or self._process != os.getpid():
            uri = f"{self._path.absolute().as_uri()}?mode=ro&immutable=1"
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            self._connection.execute("PRAGMA cache_size = -4096")
            self._process = os.getpid()
        return self._connection.execute(query, values).fetchall()


def key_of(line: Line) -> tuple[str, str | None, int] | None:
    """The id, split and number of turns of a stored line; None when it holds no dialogue."""
    if line.problem:
        return None
    try:
        data = from_json(line.raw)
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("id"), str):
        return None
    split, turns = data.get("split"), data.get("turns")
    return data["id"], split if isinstance(split, str) else None, len(turns) if isinstance(turns, list) else 0


def _build(folder: Path, kept: Path) -> Path:
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{FILE_NAME}.", dir=folder)
    except OSError:  # A read-only data set: the index lives as long as the temporary folder does.
        descriptor, name = tempfile.mkstemp(prefix="ruxi-index-", suffix=".sqlite")
        kept = Path(name)
    os.close(descriptor)
    temporary = Path(name)
    builder = IndexBuilder(temporary)
    try:
        for shard in shards_of(folder):
            for line in lines_of(shard):
                if key := key_of(line):
                    identifier, split, turns = key
                    builder.add(identifier, shard.name, line.block, line.offset, split, turns)
        builder.finish(folder)
        os.replace(temporary, kept)
    except BaseException:
        builder.close()
        temporary.unlink(missing_ok=True)
        raise
    return kept


def _is_current(path: Path, folder: Path) -> bool:
    if not path.is_file():
        return False
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            shards = connection.execute("SELECT name, size, modified FROM shard ORDER BY name").fetchall()
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return False
    return str(version) == _VERSION and shards == _fingerprint(folder)


def _fingerprint(folder: Path) -> list[tuple[str, int, int]]:
    states = [(shard.name, shard.stat()) for shard in shards_of(folder)]
    if not states:
        raise DataError(
            "holds no dialogues.jsonl, dialogues-*.jsonl[.zst] or dialogues-*.parquet",
            where=str(folder),
            remedy="Give the folder of a data set; `ruxi data import` makes one.",
        )
    return [(name, state.st_size, state.st_mtime_ns) for name, state in sorted(states)]
