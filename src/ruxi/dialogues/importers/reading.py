"""Reading other people's text files, within bounds: JSON lines, JSON arrays, CSV, all also under gzip.

A line that cannot be read is reported and the next one is tried; a file that is damaged is read as far as it goes.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ruxi.dialogues.importers.base import ImportContext
from ruxi.dialogues.shards import MAX_LINE
from ruxi.dialogues.store import explain
from ruxi.errors import DataError

Model = TypeVar("Model", bound=BaseModel)
MAX_TEXT_FILE = 64 * 1024 * 1024
"""Largest script, subtitle or chat file that is read as a whole, in bytes."""

_SEPARATORS = re.compile(r"[\s,]*")
_DAMAGES = (OSError, EOFError, zlib.error)
# `zipfile` raises RuntimeError for encrypted members, and a kind of it for versions and methods that it does not know.
_ZIP_DAMAGES = (*_DAMAGES, zipfile.BadZipFile, RuntimeError)
_GET_AGAIN = "Get the file again."
_FIX_LINE = "Correct the line in the source."


def find(source: Path, *names: str) -> Path:
    """The first of these files that a source has; a source that is a file is that file.

    Raises:
        DataError: The source does not exist or has none of them.
    """
    if source.is_file():
        return source
    for name in names:
        if (source / name).is_file():
            return source / name
    problem = f"holds no {' or '.join(names)}" if source.is_dir() else "there is no such file or folder"
    raise DataError(problem, where=str(source), remedy="Give the folder that holds the data.")


def files_in(source: Path, *endings: str) -> list[Path]:
    """The source itself, or every file with one of these endings below it, sorted.

    Raises:
        DataError: There is none.
    """
    if source.is_file():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.name.lower().endswith(endings) and path.is_file())
    if not found:
        problem = f"holds no {' or '.join(endings)} file" if source.is_dir() else "there is no such file or folder"
        raise DataError(problem, where=str(source), remedy="Give the folder that holds the data.")
    return found


def lines(path: Path, context: ImportContext) -> Iterator[tuple[int, bytes]]:
    """Stream the numbered lines of a file, also under gzip; damage and over-long lines are reported."""
    number = 0
    try:
        with _open(path) as file:
            while line := file.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                        pass
                    problem = f"a line of more than {MAX_LINE:,} bytes"
                    _unreadable(context, path, number, problem)
                    continue
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if line.strip():
                    yield number, line
    except _DAMAGES as error:
        problem = f"the file is damaged after this line ({error}); what follows is lost"
        _unreadable(context, path, number, problem, _GET_AGAIN)


def json_lines(path: Path, model: type[Model], context: ImportContext) -> Iterator[tuple[int, Model]]:
    """Stream the records of a JSON lines file; a line that does not fit the model is reported."""
    for number, line in lines(path, context):
        try:
            record = model.model_validate_json(line)
        except ValidationError as error:
            _unreadable(context, path, number, explain(error))
        else:
            yield number, record


def json_records(path: Path, model: type[Model], context: ImportContext) -> Iterator[tuple[int, Model]]:
    """Stream the records of a JSON array or a JSON lines file with the line where each begins."""
    with _open(path) as file:
        try:
            beginning = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
        except _DAMAGES:
            beginning = b""
    if not beginning.startswith(b"["):
        yield from json_lines(path, model, context)
        return
    for number, data in _array_items(path, context):
        try:
            record = model.model_validate(data)
        except ValidationError as error:
            _unreadable(context, path, number, explain(error))
        else:
            yield number, record


def csv_rows(path: Path, context: ImportContext) -> Iterator[tuple[int, dict[str, str]]]:
    """Stream the rows of a CSV file (comma, semicolon or tab) by column name."""
    text = read_text(path, context)
    if text is None:
        return
    head = text[:65536].splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        for row in reader:
            if len(row) > len(columns):
                problem = f"{len(row)} cells in a table of {len(columns)} columns"
                context.problem("unreadable", problem, file=path, line=reader.line_num, remedy=_FIX_LINE, lost=1)
            elif any(cell.strip() for cell in row):
                yield reader.line_num, dict(zip(columns, row, strict=False))
    except csv.Error as error:
        problem = f"the table is damaged after this line ({error}); what follows is lost"
        remedy = "Save it again as CSV in UTF-8."
        _unreadable(context, path, reader.line_num, problem, remedy)


def read_text(path: Path, context: ImportContext) -> str | None:
    """A text file as a whole, in UTF-8 or UTF-16 with a byte order mark; None after a report.

    Bytes that are no text become U+FFFD and are reported.
    """
    try:
        with _open(path) as file:
            data = file.read(MAX_TEXT_FILE + 1)
    except _DAMAGES as error:
        problem = f"cannot be read ({error})"
        _unreadable(context, path, None, problem, _GET_AGAIN)
        return None
    if len(data) > MAX_TEXT_FILE:
        problem = f"is larger than {MAX_TEXT_FILE:,} bytes"
        _unreadable(context, path, None, problem, "Divide the file.")
        return None
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return str(data, encoding)
    except UnicodeDecodeError as error:
        if context.once(f"encoding of {path}"):
            line = data.count(b"\n", 0, error.start) + 1
            problem = f"bytes that are not {encoding[:6].upper()} were replaced by \ufffd"
            context.problem("unreadable", problem, file=path, line=line, remedy="Save the file in UTF-8.")
        return str(data, encoding, "replace")


def _unreadable(context: ImportContext, path: Path, line: int | None, problem: str, remedy: str = _FIX_LINE) -> None:
    """Report a record that cannot be read; once, although some importers read a file twice."""
    if context.once(f"{path}:{line}"):
        context.problem("unreadable", problem, file=path, line=line, remedy=remedy, lost=1)


class Archive:
    """A zip file whose members are read into memory one at a time; nothing is unpacked onto the disk."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except _ZIP_DAMAGES as error:
            problem, remedy = f"not a readable zip file ({error})", _GET_AGAIN
            raise DataError(problem, where=str(path), remedy=remedy) from None

    def read(self, name: str) -> bytes | None:
        """The bytes of a member; None when there is none of that name.

        Raises:
            DataError: The member is damaged, encrypted or too large.
        """
        try:
            member = self._zip.getinfo(name)
            with self._zip.open(member) as file:
                data = file.read(MAX_LINE + 1)
        except KeyError:
            return None
        except _ZIP_DAMAGES as error:
            raise DataError(f"{name!r} in the zip file is damaged ({error})", remedy=_GET_AGAIN) from None
        if len(data) > MAX_LINE:
            raise DataError(f"{name!r} in the zip file is larger than {MAX_LINE:,} bytes", remedy="Leave it out.")
        return data


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb")


def _array_items(path: Path, context: ImportContext) -> Iterator[tuple[int, Any]]:
    """Stream the items of a JSON array, one in memory at a time."""
    decoder = json.JSONDecoder()
    text, position, line, opened, ended = "", 0, 1, False, False
    problem = "the array has no end"
    with io.TextIOWrapper(_open(path), encoding="utf-8-sig", newline="") as file:
        while True:
            separators = _SEPARATORS.match(text, position)
            start = separators.end() if separators else position
            line += text.count("\n", position, start)
            position = start
            if position < len(text):
                if not opened:
                    opened, position = True, position + 1
                    continue
                if text[position] == "]":
                    return
                try:
                    item, end = decoder.raw_decode(text, position)
                except (ValueError, RecursionError) as error:
                    problem = f"not readable JSON ({error})"
                    if isinstance(error, RecursionError) or len(text) - position > MAX_LINE:
                        break
                else:
                    # A number at the end of what was read so far may go on.
                    if end < len(text) or ended:
                        yield line, item
                        line += text.count("\n", position, end)
                        position = end
                        continue
            if ended:
                break
            try:
                more = file.read(1 << 20)
            except (*_DAMAGES, UnicodeDecodeError) as error:
                problem = f"the file is damaged ({error})"
                break
            ended = not more
            text, position = text[position:] + more, 0
    problem = f"{problem}; what follows is lost"
    _unreadable(context, path, line, problem)
