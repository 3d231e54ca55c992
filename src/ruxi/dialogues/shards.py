"""The files that hold dialogues: JSON lines, JSON lines under Zstandard, Parquet.

Every kind is read as a stream of numbered lines, each with a position from which it can be read again alone.
A Zstandard shard is a row of independent frames and a Parquet shard a row of row groups, so that reading one
line unpacks one block, not the file. What cannot be read becomes a line with a problem, never a silent gap.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ruxi.errors import DataError

MAX_LINE = 64 * 1024 * 1024
"""Longest line that is read, in bytes; a longer one is reported and passed over."""

_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One stored line.

    Attributes:
        number: Line (or Parquet row) in its file, from 1.
        block: Byte offset of the line or of its frame, or number of its row group.
        offset: Byte offset of the line inside the unpacked frame, or row inside the row group.
        raw: The line's bytes, without its line break.
        problem: Why the line cannot be used, or None.
    """

    number: int
    block: int
    offset: int
    raw: bytes
    problem: str | None = None


def shards_of(folder: Path) -> list[Path]:
    """The files of a data set that hold dialogues, in reading order."""
    names = ("dialogues.jsonl", "dialogues.jsonl.zst", "dialogues.parquet")
    found = [folder / name for name in names if (folder / name).is_file()]
    for ending in ("jsonl", "jsonl.zst", "parquet"):
        found += [path for path in folder.glob(f"dialogues-*.{ending}") if path.is_file()]
    return sorted(found, key=lambda path: path.name)


def lines_of(path: Path) -> Iterator[Line]:
    """Stream the lines of a shard; blank lines are passed over."""
    if path.name.endswith(".parquet"):
        lines = _parquet_lines(path)
    elif path.name.endswith(".zst"):
        lines = _zstandard_lines(path)
    else:
        lines = _plain_lines(path)
    return (line for line in lines if line.problem or line.raw.strip())


def line_at(path: Path, block: int, offset: int) -> bytes:
    """Read one line again from the position that `lines_of` gave."""
    if path.name.endswith(".parquet"):
        return _raw_cell(_parquet_file(path).read_row_group(block, columns=["dialogue"])["dialogue"][offset])
    with path.open("rb") as file:
        if path.name.endswith(".zst"):
            frame = io.BufferedReader(_Frame(file, block))
            while offset > 0:
                offset -= len(frame.read(min(offset, _CHUNK)))
            return frame.readline(MAX_LINE).rstrip(b"\r\n")
        file.seek(block)
        return file.readline(MAX_LINE).rstrip(b"\r\n")


def zstandard() -> Any:
    """The Zstandard library, or an error that says how to get it."""
    try:
        import zstandard
    except ImportError:
        raise _missing("zstandard") from None
    return zstandard


def pyarrow() -> Any:
    """The Arrow library, or an error that says how to get it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise _missing("pyarrow") from None
    return pyarrow


def _missing(package: str) -> DataError:
    return DataError(f"the package '{package}' is not installed", remedy="Install it with: pip install 'ruxi[data]'")


def _plain_lines(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        for number, (offset, raw, problem) in enumerate(_split(file), 1):
            yield Line(number, offset, 0, raw, problem)


def _zstandard_lines(path: Path) -> Iterator[Line]:
    number = 0
    with path.open("rb") as file:
        start = 0
        size = path.stat().st_size
        while start < size:
            frame = _Frame(file, start)
            try:
                for offset, raw, problem in _split(io.BufferedReader(frame)):
                    number += 1
                    yield Line(number, start, offset, raw, problem)
            except zstandard().ZstdError as error:
                yield Line(number + 1, start, 0, b"", f"the compressed file is damaged here ({error})")
                return
            start = frame.end


def _parquet_lines(path: Path) -> Iterator[Line]:
    arrow = pyarrow()
    number = 0
    try:
        parquet = _parquet_file(path)
        for group in range(parquet.num_row_groups):
            row = 0
            for batch in parquet.iter_batches(row_groups=[group], batch_size=1000, columns=["dialogue"]):
                for cell in batch.column(0):
                    number += 1
                    yield Line(number, group, row, _raw_cell(cell))
                    row += 1
    except (arrow.ArrowException, OSError, KeyError, ValueError) as error:
        yield Line(number + 1, 0, 0, b"", f"the Parquet file is damaged here ({error})")


def _parquet_file(path: Path) -> Any:
    pyarrow()
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path)


def _raw_cell(cell: Any) -> bytes:
    value = cell.as_py()
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def _split(file: BinaryIO | io.BufferedReader) -> Iterator[tuple[int, bytes, str | None]]:
    """Yield (byte offset, line, problem) with no line longer than `MAX_LINE` in memory."""
    offset = 0
    while raw := file.readline(MAX_LINE + 1):
        length, problem = len(raw), None
        if length > MAX_LINE and not raw.endswith(b"\n"):
            while rest := file.readline(_CHUNK):
                length += len(rest)
                if rest.endswith(b"\n"):
                    break
            raw, problem = b"", f"a line of {length:,} bytes, more than {MAX_LINE:,}"
        yield offset, raw.rstrip(b"\r\n"), problem
        offset += length


class _Frame(io.RawIOBase):
    """One Zstandard frame as a stream; read to its end, it knows the byte offset of the next one (`end`)."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._position = start
        self._unpacker = zstandard().ZstdDecompressor().decompressobj()
        self._ready = b""
        self._done = False
        self.end = start

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._done:
            self._file.seek(self._position)
            packed = self._file.read(_CHUNK // 8)
            if not packed:
                raise zstandard().ZstdError("it ends in the middle of a frame")
            self._position += len(packed)
            self._ready = self._unpacker.decompress(packed)
            if self._unpacker.eof:
                self._done = True
                self.end = self._position - len(self._unpacker.unused_data)
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count
