"""How a data set's files are written: the counterparts of the readers in `ruxi.dialogues.shards`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import from_json

from ruxi.dialogues.shards import pyarrow, zstandard
from ruxi.errors import DataError

_FRAME = 64
"""Dialogues in one Zstandard frame: what a random read has to unpack."""
_ROW_GROUP = 256
"""Dialogues in one Parquet row group; smaller ones would make the file's directory large."""


class ShardWriter(Protocol):
    """One file that takes dialogues.

    Attributes:
        path: The file.
        count: Dialogues added to it so far.
    """

    path: Path
    count: int

    def add(self, identifier: str, line: bytes) -> tuple[int, int]:
        """Store a line; return its block and its offset in the block."""

    def sync(self) -> None:
        """Wait until the disk has everything."""

    def close(self) -> None:
        """Store what is still in memory and close the file."""


class PlainShard:
    """JSON lines; a line that was torn by a crash is cut off before the next is added."""

    def __init__(self, path: Path, buffering: int = 1 << 20) -> None:
        self.path = path
        self.count = 0
        self._file = path.open("ab", buffering=buffering)
        self._buffered = buffering > 0
        _mend_last_line(path, self._file.tell())
        self._size = path.stat().st_size

    def add(self, identifier: str, line: bytes) -> tuple[int, int]:
        """Store a line; return its block and its offset in the block."""
        start = self._size
        data = line + b"\n"
        try:
            written = self._file.write(data)
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError as error:
            if not self._buffered:
                os.ftruncate(self._file.fileno(), start)
            raise DataError(
                f"the dialogue could not be written ({error})",
                where=str(self.path),
                remedy="Free some space.",
            ) from error
        self._size += len(data)
        self.count += 1
        return start, 0

    def sync(self) -> None:
        """Wait until the disk has everything."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Store what is still in memory and close the file."""
        self._file.close()


class FrameShard:
    """JSON lines in independent Zstandard frames."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file = path.open("wb")
        self._packer = zstandard().ZstdCompressor(level=9)
        self._lines: list[bytes] = []
        self._offset = 0
        self._start = 0

    def add(self, identifier: str, line: bytes) -> tuple[int, int]:
        """Store a line; return its block and its offset in the block."""
        position = self._start, self._offset
        self._lines.append(line + b"\n")
        self._offset += len(line) + 1
        self.count += 1
        if len(self._lines) >= _FRAME:
            self._flush()
        return position

    def sync(self) -> None:
        """Wait until the disk has everything."""
        self._flush()
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Store what is still in memory and close the file."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._lines:
            self._start += self._file.write(self._packer.compress(b"".join(self._lines)))
            self._lines, self._offset = [], 0


class ParquetShard:
    """Two text columns, `id` and `dialogue` (its JSON), so that unknown fields survive."""

    def __init__(self, path: Path) -> None:
        arrow = pyarrow()
        from pyarrow.parquet import ParquetWriter

        self.path = path
        self.count = 0
        self._schema = arrow.schema([("id", arrow.string()), ("dialogue", arrow.string())])
        self._writer: Any = ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, str]] = []
        self._group = 0

    def add(self, identifier: str, line: bytes) -> tuple[int, int]:
        """Store a line; return its block and its offset in the block."""
        position = self._group, len(self._rows)
        self._rows.append({"id": identifier, "dialogue": line.decode()})
        self.count += 1
        if len(self._rows) >= _ROW_GROUP:
            self._flush()
        return position

    def sync(self) -> None:
        """Parquet is complete only when it is closed: nothing can be promised before."""

    def close(self) -> None:
        """Store what is still in memory and close the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pyarrow().Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []
            self._group += 1


def _mend_last_line(path: Path, size: int) -> None:
    """Cut off a last line that was torn by a crash; complete one that only lacks its line break."""
    with path.open("r+b") as file:
        end = size
        while end > 0:
            start = max(0, end - (1 << 16))
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end == size:
            return
        file.seek(end)
        try:
            from_json(file.read())
        except ValueError:
            file.truncate(end)
        else:
            file.write(b"\n")
