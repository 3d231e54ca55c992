"""Answers by content, on disk: an annotation that was killed goes on where it was, a second one costs nothing.

Every batch is committed before the next one is asked for.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from ruxi.dialogues.annotation.types import Annotator, Answer
from ruxi.errors import DataError


class AnswerCache:
    """Keeps answers by annotator, version and key; usable by several processes at once.

    Args:
        path: The SQLite file; made if needed.

    Raises:
        DataError: The file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=60)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS answer (annotator TEXT, version TEXT, key TEXT, answer TEXT,"
                " PRIMARY KEY (annotator, version, key)) WITHOUT ROWID"
            )
            self._connection.commit()
        except (OSError, sqlite3.Error) as error:
            raise DataError(
                f"the cache of annotations cannot be used ({error})",
                where=str(path),
                remedy="Delete it or name another.",
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def get(self, annotator: Annotator, keys: Sequence[str]) -> dict[str, Answer | None]:
        """The answers that are known; None stands for "asked, and there is none"."""
        found: dict[str, Answer | None] = {}
        for key in dict.fromkeys(keys):
            row = self._connection.execute(
                "SELECT answer FROM answer WHERE annotator = ? AND version = ? AND key = ?",
                (annotator.name, annotator.version, key),
            ).fetchone()
            if row is not None:
                found[key] = json.loads(row[0])
        return found

    def put(self, annotator: Annotator, answers: Mapping[str, Answer | None]) -> None:
        """Keep answers; they are on disk when this returns."""
        rows = [(annotator.name, annotator.version, key, json.dumps(answer)) for key, answer in answers.items()]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)", rows)
