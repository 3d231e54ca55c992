"""Writing a data set: all at once, or record by record for a chat that must not be lost.

A new set is filled in a folder beside its place and takes its name when the block ends without an error.
Appending works in place: when `add` returns, the line has left the process, so that killing it loses nothing
(`sync` waits for the disk as well, against power cuts).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from ruxi import files
from ruxi.dialogues.index import FILE_NAME, IndexBuilder
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.shard_writers import FrameShard, ParquetShard, PlainShard, ShardWriter
from ruxi.dialogues.shards import shards_of
from ruxi.dialogues.store import INFO_FILE, DatasetInfo, DialogueSet, character_path
from ruxi.errors import DataError

if TYPE_CHECKING:
    from ruxi.characters import Character
    from ruxi.media import MediaFolder

Mode = Literal["new", "replace", "append"]
Format = Literal["jsonl", "jsonl.zst", "parquet"]


class DatasetWriter:
    """Writes a data set; use it in a `with` block.

    Args:
        path: The folder of the data set.
        name: Its name; the folder's name unless given.
        source: Where the data come from.
        licence: SPDX id or the licence's name.
        description: What it holds, for a person.
        mode: `new` refuses a folder that holds something, `replace` takes the place of a data set,
            `append` adds to one in place (and makes it if needed).
        format: How the dialogues are stored; `append` always writes plain JSON lines.
        shard_dialogues: Dialogues in one file; None for a single file.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        source: str | None = None,
        licence: str | None = None,
        description: str | None = None,
        mode: Mode = "new",
        format: Format = "jsonl",
        shard_dialogues: int | None = None,
    ) -> None:
        self.path = Path(path)
        self._mode: Mode = mode
        self._format: Format = "jsonl" if mode == "append" else format
        self._shard_dialogues = shard_dialogues
        self._shard: ShardWriter | None = None
        self._shard_count = 0
        self._earlier: DialogueSet | None = None
        self._stack = ExitStack()
        self._folder = self._enter()
        try:
            self.info = _earlier_info(self._folder, self.path.name)
            if mode == "append" and shards_of(self._folder):
                self._earlier = DialogueSet.open(self._folder)
            self._index = IndexBuilder(None if mode == "append" else self._folder / FILE_NAME)
        except BaseException:
            self._stack.__exit__(*sys.exc_info())
            raise
        self._stack.callback(self._release)
        given = {"name": name, "source": source, "licence": licence, "description": description}
        for field, value in given.items():
            if value is not None:
                setattr(self.info, field, value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self._finish()

    def add(self, dialogue: Dialogue) -> None:
        """Add a dialogue.

        Raises:
            DataError: Its id is taken, or the disk is full.
        """
        if self.has(dialogue.id):
            raise DataError(
                f"the id {dialogue.id!r} is already in the data set",
                where=str(self.path),
                remedy="Give every dialogue an id of its own.",
            )
        shard = self._current_shard()
        block, offset = shard.add(dialogue.id, dialogue.to_json().encode())
        self._index.add(dialogue.id, shard.path.name, block, offset, dialogue.split, len(dialogue.turns))

    def has(self, identifier: str) -> bool:
        """Whether a dialogue of this id is in the data set."""
        return self._index.has(identifier) or (self._earlier is not None and identifier in self._earlier)

    def add_character(self, identifier: str, character: Character) -> None:
        """Add or replace a character card.

        Raises:
            DataError: The id cannot be a file name.
        """
        character.save(character_path(self._folder, identifier))

    def offers(self, identifier: str, character: Character) -> bool:
        """Whether this id is free, or already belongs to the very same card."""
        path = character_path(self._folder, identifier)
        return not path.is_file() or path.read_text(encoding="utf-8").strip() == character.to_json()

    def add_medium(self, medium: bytes | Path) -> str:
        """Add a picture, sound or video and return its SHA-256; the same bytes are kept once."""
        sha256: str = self.media.add(medium)
        return sha256

    @property
    def folder(self) -> Path:
        """Where the files lie until the set is finished."""
        return self._folder

    @cached_property
    def media(self) -> MediaFolder:
        """The media of the data set."""
        from ruxi.media import MediaFolder

        return MediaFolder(self._folder / "media")

    def sync(self) -> None:
        """Wait until the disk has every dialogue that was added."""
        if self._shard is not None:
            self._shard.sync()

    def _enter(self) -> Path:
        if self._mode == "append":
            self.path.mkdir(parents=True, exist_ok=True)
            self._stack.enter_context(locked(self.path))
            return self.path
        if self.path.exists() and not self.path.is_dir():
            raise DataError("is a file", where=str(self.path), remedy="Give the name of a folder.")
        if self.path.is_dir() and any(self.path.iterdir()):
            is_set = (self.path / INFO_FILE).is_file() or bool(shards_of(self.path))
            if self._mode == "new" or not is_set:
                remedy = "Choose another folder, or replace the data set with --replace."
                raise DataError(
                    "the folder is not empty" if is_set else "the folder holds something else",
                    where=str(self.path),
                    remedy=remedy if is_set else "Choose another folder.",
                )
        return self._stack.enter_context(files.new_folder(self.path))

    def _current_shard(self) -> ShardWriter:
        if self._shard is not None and self._shard_dialogues and self._shard.count >= self._shard_dialogues:
            self._shard.close()
            self._shard = None
        if self._shard is None:
            self._shard = self._open_shard()
        return self._shard

    def _open_shard(self) -> ShardWriter:
        if self._mode == "append":
            existing = [shard for shard in shards_of(self._folder) if shard.name.endswith(".jsonl")]
            if existing and not self._shard_dialogues:
                return PlainShard(existing[-1], buffering=0)
            name = "dialogues.jsonl" if not shards_of(self._folder) else self._free_name()
            return PlainShard(self._folder / name, buffering=0)
        single = self._shard_dialogues is None
        name = f"dialogues.{self._format}" if single else f"dialogues-{self._shard_count:05}.{self._format}"
        self._shard_count += 1
        kinds: dict[Format, Any] = {"jsonl": PlainShard, "jsonl.zst": FrameShard, "parquet": ParquetShard}
        shard: ShardWriter = kinds[self._format](self._folder / name)
        return shard

    def _free_name(self) -> str:
        numbers = [int(shard.name[10:15]) for shard in shards_of(self._folder) if shard.name[10:15].isdigit()]
        return f"dialogues-{max(numbers, default=-1) + 1:05}.jsonl"

    def _finish(self) -> None:
        if self._shard is None and not shards_of(self._folder):
            self._shard = self._open_shard()  # An empty data set is still one that can be opened.
        if self._shard is not None:
            self._shard.sync()
            self._shard.close()
        if self._mode != "append":
            self._index.finish(self._folder)
        dialogues, turns, splits = DialogueSet(self._folder, self.info).totals()
        self.info.counts = {
            "dialogues": dialogues,
            "turns": turns,
            "characters": len(list((self._folder / "characters").glob("*.json"))),
            "media": sum(path.is_file() for path in (self._folder / "media").rglob("[0-9a-f]*")),
        }
        self.info.splits = splits
        self.info.digests = {shard.name: files.sha256_of(shard) for shard in shards_of(self._folder)}
        files.write_text(self._folder / INFO_FILE, self.info.model_dump_json(indent=2, exclude_none=True) + "\n")

    def _release(self) -> None:
        if self._shard is not None:
            self._shard.close()
        self._index.close()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other programs from writing to a data set in place.

    Raises:
        DataError: Another program is doing so.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        problem = "another program is writing to this data set"
        raise DataError(problem, where=str(folder), remedy="Wait until it has ended.") from None
    try:
        yield
    finally:
        lock.release()


def _earlier_info(folder: Path, name: str) -> DatasetInfo:
    if (folder / INFO_FILE).is_file():
        return DialogueSet.open(folder).info if shards_of(folder) else DatasetInfo(name=name)
    return DatasetInfo(name=name)
