"""What stands in more than one split: long passages, media, groups, and characters when asked.

Whole dialogues that resemble each other across splits are found by the near-duplicates check.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import ClassVar

from ruxi.dialogues.checks.fault import Checked, Fault
from ruxi.dialogues.checks.near_duplicates import LEAK_REMEDY, SPLITS
from ruxi.dialogues.checks.scratch import Scratch

_LONG = 20
"""Words from which the same passage in two splits is no coincidence."""
_QUERY = """
SELECT seen.kind, seen.name, seen.rank, seen.row, seen.turn, best.rank, best.row FROM seen JOIN
    (SELECT kind, digest, max(rank) AS rank, row FROM seen
     GROUP BY kind, digest HAVING count(DISTINCT rank) > 1) AS best
ON seen.kind = best.kind AND seen.digest = best.digest AND seen.rank < best.rank
ORDER BY seen.kind, seen.digest, seen.rank, seen.row
"""


class LeakageCheck:
    """Finds content that training shares with validation or test.

    Args:
        scratch: Where contents are kept.
        by_character: Also report characters that speak in more than one split.
    """

    name: ClassVar[str] = "leakage"

    def __init__(self, scratch: Scratch, by_character: bool = False) -> None:
        self._scratch = scratch
        self._by_character = by_character
        scratch.database.execute(
            "CREATE TABLE seen (kind TEXT, digest BLOB, rank INTEGER, row INTEGER, turn INTEGER, name TEXT,"
            " PRIMARY KEY (kind, digest, rank, row)) WITHOUT ROWID"
        )
        self._pending: list[tuple[str, bytes, int, int, int | None, str]] = []

    def look(self, record: Checked) -> Iterable[Fault]:
        """Remember what the dialogue holds."""
        split = record.dialogue.split
        if split is not None:
            rank = SPLITS.index(split)
            self._pending += [
                (kind, digest, rank, record.row, turn, name) for kind, digest, turn, name in self._contents(record)
            ]
            if len(self._pending) >= 1000:
                self._flush()
        return ()

    def finish(self) -> Iterable[Fault]:
        """Compare the splits.

        A passage is reported for every dialogue that has it; a medium, group or character once for each split.
        """
        self._flush()
        last: tuple[str, str, int] | None = None
        for kind, name, rank, row, turn, other_rank, other_row in self._scratch.database.execute(_QUERY):
            if kind != "passage" and (kind, name, rank) == last:
                continue
            last = (kind, name, rank)
            yield Fault(
                self.name,
                "error" if kind == "passage" else "warning",
                f"it is in split {SPLITS[rank]!r}, and {self._scratch.place(other_row)} in split"
                f" {SPLITS[other_rank]!r} has {name}",
                LEAK_REMEDY,
                turn=turn,
                # A greeting or a portrait may rightly stand in two splits: only a person can decide.
                repair="drop_dialogue",
                safe=False,
                row=row,
            )

    def _contents(self, record: Checked) -> Iterator[tuple[str, bytes, int | None, str]]:
        for index, turn in enumerate(record.dialogue.turns):
            for part in turn.parts:
                if part.media is not None:
                    yield "medium", bytes.fromhex(part.media), index, f"the same {part.kind} {part.media[:12]}"
            words = record.turn_words[index]
            if len(words) >= _LONG:
                yield "passage", _digest(" ".join(words)), index, "the same words in a turn"
        if record.dialogue.group is not None:
            yield "group", _digest(record.dialogue.group), None, f"the same group {record.dialogue.group!r}"
        if self._by_character:
            for member in record.dialogue.cast:
                if member.kind == "character":
                    name = member.character or member.name
                    yield "character", _digest(name), None, f"the same character {name!r}"

    def _flush(self) -> None:
        self._scratch.database.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?, ?, ?)", self._pending)
        self._pending.clear()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
