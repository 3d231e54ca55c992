"""A data set on disk: a folder that can be read as a stream or by id, at any size.

    dataset.json                    name, source, licence, counts, splits, digests of the shards
    dialogues.jsonl                 or dialogues-00000.jsonl[.zst] and so on, or dialogues-00000.parquet
    characters/ID.json              the character cards that `CastMember.character` names
    media/                          pictures, sounds and videos by content hash (`ruxi.media.MediaFolder`)
    .index.sqlite                   where each dialogue lies; built when it is missing or out of date

`DatasetWriter` (in `ruxi.dialogues.writer`) writes such folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, ValidationError

from ruxi.dialogues.index import Index
from ruxi.dialogues.schema import Dialogue, Record, Split
from ruxi.dialogues.shards import Line, line_at, lines_of, shards_of
from ruxi.errors import DataError

if TYPE_CHECKING:
    from ruxi.characters import Character
    from ruxi.media import MediaFolder

INFO_FILE = "dataset.json"
_SAFE_ID = re.compile(r"[^\W_][\w .'()&,+-]{0,119}")


class DatasetInfo(Record):
    """What `dataset.json` says about a data set.

    Attributes:
        name: Its name.
        source: Where it comes from.
        licence: SPDX id or the licence's name.
        description: What it holds, for a person.
        counts: Number of `dialogues`, `turns`, `characters` and `media`.
        splits: Number of dialogues in each split; `""` for those without one.
        digests: SHA-256 of each shard by file name.
        problems: Number of records that an import could not use.
    """

    name: str
    source: str | None = None
    licence: str | None = None
    description: str | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    splits: dict[str, int] = Field(default_factory=dict)
    digests: dict[str, str] = Field(default_factory=dict)
    problems: int = 0


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One stored line, readable or not: exactly one of `dialogue` and `error` is set.

    Attributes:
        file: The shard that holds it.
        line: Its line (or Parquet row), from 1.
        raw: The line as it stands; bytes that are not UTF-8 appear as surrogate escapes.
        dialogue: What it says.
        error: Why it cannot be read.
    """

    file: Path
    line: int
    raw: str
    dialogue: Dialogue | None
    error: DataError | None


class DialogueSet:
    """Reads a data set; open one with `DialogueSet.open`."""

    def __init__(self, path: Path, info: DatasetInfo) -> None:
        self.path = path
        self.info = info

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open the folder of a data set.

        Raises:
            DataError: There is no such folder, it holds no dialogues, or its `dataset.json` cannot be read.
        """
        path = Path(path)
        if not path.is_dir():
            raise DataError("there is no such folder", where=str(path), remedy="Give the folder of a data set.")
        if not shards_of(path):
            raise DataError(
                "holds no dialogues.jsonl, dialogues-*.jsonl[.zst] or dialogues-*.parquet",
                where=str(path),
                remedy="Give the folder of a data set; `ruxi data import` makes one.",
            )
        return cls(path, _read_info(path))

    def __iter__(self) -> Iterator[Dialogue]:
        """Stream the dialogues in order.

        Raises:
            DataError: A line cannot be read; `records` passes over such lines and names them.
        """
        for record in self.records():
            if record.error is not None:
                raise record.error
            assert record.dialogue is not None  # noqa: S101 - one of the two is always set
            yield record.dialogue

    def __len__(self) -> int:
        """Number of dialogues."""
        return self._index.totals()[0]

    def records(self) -> Iterator[StoredRecord]:
        """Stream every line, with the reason where one cannot be read."""
        for shard in shards_of(self.path):
            for line in lines_of(shard):
                raw = line.raw.decode("utf-8", "surrogateescape")
                try:
                    yield StoredRecord(shard, line.number, raw, parse(line, shard), None)
                except DataError as error:
                    yield StoredRecord(shard, line.number, raw, None, error)

    def get(self, identifier: str) -> Dialogue:
        """Read one dialogue by its id.

        Raises:
            DataError: No dialogue has this id, several have it, or its line cannot be read.
        """
        found = self._index.find(identifier)
        if len(found) != 1:
            problem = f"{len(found) or 'no'} dialogues have the id {identifier!r}"
            remedy = "Run `ruxi data check` to see them." if found else "Look for it with `ruxi data stats`."
            raise DataError(problem, where=str(self.path), remedy=remedy)
        return self._read(found[0])

    def at(self, number: int) -> Dialogue:
        """Read the n-th dialogue, from 0; together with `len` this lets training draw at random."""
        found = self._index.at(number)
        if found is None:
            raise IndexError(number)
        return self._read(found)

    def __contains__(self, identifier: str) -> bool:
        """Whether a dialogue has this id."""
        return bool(self._index.find(identifier))

    def ids(self, split: Split | None = None) -> Iterator[str]:
        """The ids in order, of one split if asked."""
        return self._index.ids(split)

    def totals(self) -> tuple[int, int, dict[str, int]]:
        """Number of dialogues and turns, and dialogues per split (`""` for none), counted from the shards."""
        return self._index.totals()

    def character(self, identifier: str) -> Character:
        """The character card of this id.

        Raises:
            DataError: The data set has no such character.
        """
        from ruxi.characters import Character

        path = character_path(self.path, identifier)
        if not path.is_file():
            raise DataError(
                f"there is no character {identifier!r}",
                where=str(path),
                remedy="Add the file, or take the id out of the cast.",
            )
        return Character.load(path)

    def character_ids(self) -> list[str]:
        """The ids of all characters, sorted."""
        return sorted(path.stem for path in (self.path / "characters").glob("*.json"))

    @cached_property
    def media(self) -> MediaFolder:
        """The pictures, sounds and videos, by content hash."""
        from ruxi.media import MediaFolder

        return MediaFolder(self.path / "media")

    @cached_property
    def _index(self) -> Index:
        return Index.of(self.path)

    def _read(self, position: tuple[str, int, int]) -> Dialogue:
        shard, block, offset = position
        path = self.path / shard
        return parse(Line(0, block, offset, line_at(path, block, offset)), path)


def character_path(folder: Path, identifier: str) -> Path:
    """Where a data set keeps a character.

    Raises:
        DataError: The id cannot be a file name.
    """
    if not _SAFE_ID.fullmatch(identifier):
        raise DataError(
            f"the character id {identifier!r} cannot be a file name",
            where=str(folder),
            remedy="Use letters, digits, spaces, '-', '_' and '.', beginning with a letter or digit.",
        )
    return folder / "characters" / f"{identifier}.json"


def explain(error: ValidationError) -> str:
    """The faults of a record in one line, each with its field."""
    faults = []
    for fault in error.errors(include_url=False, include_input=False)[:5]:
        field = ".".join(str(step) for step in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        faults.append(f"{field}: {message}" if field else message)
    more = error.error_count() - len(faults)
    return "; ".join(faults) + (f"; and {more} more" if more > 0 else "")


def parse(line: Line, shard: Path) -> Dialogue:
    """The dialogue in a stored line.

    Raises:
        DataError: There is none; the message names every field at fault.
    """
    where = f"{shard}:{line.number}" if line.number else str(shard)
    if line.problem:
        raise DataError(line.problem, where=where, remedy="Restore the file, or import it again.")
    try:
        return Dialogue.model_validate_json(line.raw)
    except ValidationError as error:
        remedy = "Correct the line, or run `ruxi data check --fix`."
        raise DataError(explain(error), where=where, remedy=remedy) from None


def _read_info(path: Path) -> DatasetInfo:
    file = path / INFO_FILE
    if not file.is_file():
        return DatasetInfo(name=path.name)
    try:
        return DatasetInfo.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise DataError(explain(error), where=str(file), remedy="Correct the file or delete it.") from None
