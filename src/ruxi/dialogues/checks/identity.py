"""Ids that several dialogues share, and dialogues that stand in the set twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import ClassVar

from ruxi.dialogues.checks.fault import Checked, Fault
from ruxi.dialogues.checks.scratch import Scratch


class IdentityCheck:
    """Finds dialogues with the same id, and dialogues with the same speakers, words and media.

    Copies in different splits are left to the leakage check.
    """

    name: ClassVar[str] = "identity"

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        scratch.database.execute("CREATE TABLE content (digest BLOB, split TEXT, row INTEGER)")
        self._pending: list[tuple[bytes, str | None, int]] = []

    def look(self, record: Checked) -> Iterable[Fault]:
        """Remember the dialogue's content."""
        if record.dialogue.turns:
            self._pending.append((_digest(record), record.dialogue.split, record.row))
            if len(self._pending) >= 1000:
                self._flush()
        return ()

    def finish(self) -> Iterable[Fault]:
        """Compare all ids and contents."""
        self._flush()
        database = self._scratch.database
        database.execute("CREATE INDEX place_by_id ON place (id)")
        database.execute("CREATE INDEX content_by_digest ON content (digest, split, row)")
        for row, identifier, first in database.execute(
            "SELECT place.row, place.id, first.row FROM place JOIN (SELECT id, min(row) AS row FROM place"
            " WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1) AS first"
            " ON place.id = first.id AND place.row > first.row ORDER BY place.row"
        ):
            yield Fault(
                self.name,
                "error",
                f"the id {identifier!r} is also that of {self._scratch.place(first)}",
                "Give every dialogue an id of its own.",
                repair="set_field",
                value=[["id"], f"{identifier}~{row}"],
                row=row,
            )
        for row, first in database.execute(
            "SELECT content.row, first.row FROM content JOIN (SELECT digest, split, min(row) AS row FROM content"
            " GROUP BY digest, split HAVING count(*) > 1) AS first ON content.digest = first.digest"
            " AND content.split IS first.split AND content.row > first.row ORDER BY content.row"
        ):
            yield Fault(
                self.name,
                "warning",
                f"the same speakers, words and media as {self._scratch.place(first)}",
                "Keep one of them.",
                repair="drop_dialogue",
                row=row,
            )

    def _flush(self) -> None:
        self._scratch.database.executemany("INSERT INTO content VALUES (?, ?, ?)", self._pending)
        self._pending.clear()


def _digest(record: Checked) -> bytes:
    content = [
        (
            turn.speaker,
            " ".join(words) or turn.text,
            [part.media or part.name for part in turn.parts if part.kind != "text"],
        )
        for turn, words in zip(record.dialogue.turns, record.turn_words, strict=True)
    ]
    return hashlib.blake2b(repr(content).encode("utf-8", "surrogatepass"), digest_size=16).digest()
