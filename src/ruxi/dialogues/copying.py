"""A changed copy of a data set: the same characters, notes and media, other dialogues."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ruxi import files
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.shards import shards_of
from ruxi.dialogues.store import INFO_FILE, DialogueSet
from ruxi.dialogues.writer import DatasetWriter

_SHARD = 100_000


def writer_like(source: DialogueSet, out: Path) -> DatasetWriter:
    """A writer for a copy: same name, source, licence and kind of storage.

    Args:
        source: The data set to copy.
        out: Folder of the copy; it must not exist or be empty.

    Raises:
        DataError: The folder is not free.
    """
    shards = shards_of(source.path)
    return DatasetWriter(
        out,
        name=source.info.name,
        source=source.info.source,
        licence=source.info.licence,
        description=source.info.description,
        format=_format(shards[0]),
        shard_dialogues=_SHARD if len(shards) > 1 else None,
    )


def copy_set(source: DialogueSet, writer: DatasetWriter, without: frozenset[str] = frozenset()) -> Copier:
    """Copy what stands beside the dialogues, and give back what copies these.

    Args:
        source: The data set.
        writer: From `writer_like`.
        without: Names of files that the copy writes itself.
    """
    for path in _others(source.path, without):
        files.write_bytes(writer.folder / path.relative_to(source.path), path.read_bytes())
    return Copier(source, writer)


class Copier:
    """Adds dialogues to a copy, each with the media that it refers to."""

    def __init__(self, source: DialogueSet, writer: DatasetWriter) -> None:
        self._source = source
        self._writer = writer
        self._copied: set[str] = set()

    def add(self, dialogue: Dialogue) -> None:
        """Add a dialogue with its media.

        Raises:
            DataError: Its id is taken, or the disk is full.
        """
        for turn in dialogue.turns:
            for part in turn.parts:
                if part.media is not None and part.media not in self._copied:
                    if part.media in self._source.media:
                        self._writer.add_medium(self._source.media.path(part.media))
                    self._copied.add(part.media)
        self._writer.add(dialogue)


def _format(shard: Path) -> Literal["jsonl", "jsonl.zst", "parquet"]:
    if shard.name.endswith(".parquet"):
        return "parquet"
    return "jsonl.zst" if shard.name.endswith(".zst") else "jsonl"


def _others(folder: Path, without: frozenset[str]) -> Iterator[Path]:
    ours = {INFO_FILE, *without, *(shard.name for shard in shards_of(folder))}
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".") and path.name not in ours:
            yield path
    for path in sorted((folder / "characters").rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path
