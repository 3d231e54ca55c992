"""Changing the dialogues of a data set in place, shard by shard."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ruxi import files
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.shard_writers import FrameShard, ParquetShard, PlainShard, ShardWriter
from ruxi.dialogues.shards import Line, lines_of, shards_of
from ruxi.dialogues.store import INFO_FILE, DialogueSet, parse
from ruxi.dialogues.writer import locked
from ruxi.errors import DataError


def rewrite(path: str | Path, change: Callable[[Dialogue], Dialogue], *, progress: Callable[[int], None]) -> None:
    """Put every dialogue through a function; lines that cannot be read stay as they are.

    Each shard is replaced as a whole. Stopped in between, some shards are changed and others not: run it again.

    Args:
        path: The data set.
        change: Gives the dialogue to store; it must keep the id.
        progress: Called with the number of dialogues so far.

    Raises:
        DataError: A shard is damaged, so that rewriting it would lose what follows; or another program writes.
    """
    data = DialogueSet.open(path)
    with locked(data.path):
        count = 0
        for shard in shards_of(data.path):
            temporary = shard.with_name(f".{shard.name}.new")
            temporary.unlink(missing_ok=True)
            writer = _writer_like(shard, temporary)
            try:
                for line in lines_of(shard):
                    identifier, raw = _changed(line, shard, change)
                    writer.add(identifier, raw)
                    count += 1
                    progress(count)
                writer.sync()
                writer.close()
                os.replace(temporary, shard)
            finally:
                writer.close()
                temporary.unlink(missing_ok=True)
        _, _, data.info.splits = DialogueSet(data.path, data.info).totals()
        data.info.digests = {shard.name: files.sha256_of(shard) for shard in shards_of(data.path)}
        files.write_text(data.path / INFO_FILE, data.info.model_dump_json(indent=2, exclude_none=True) + "\n")


def _changed(line: Line, shard: Path, change: Callable[[Dialogue], Dialogue]) -> tuple[str, bytes]:
    if line.problem:
        raise DataError(line.problem, where=f"{shard}:{line.number}", remedy="Restore the file, or import it again.")
    try:
        dialogue = change(parse(line, shard))
    except DataError:
        return "", line.raw
    return dialogue.id, dialogue.to_json().encode()


def _writer_like(shard: Path, temporary: Path) -> ShardWriter:
    if shard.name.endswith(".parquet"):
        return ParquetShard(temporary)
    return FrameShard(temporary) if shard.name.endswith(".zst") else PlainShard(temporary)
