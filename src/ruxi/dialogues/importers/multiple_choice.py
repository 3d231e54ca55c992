"""Multiple-choice questions: JSON lines of `{question, choices, answer}`, as many published tests are laid out.

`answer` is the right choice's index, its letter, or its text; `image` may name a picture beside the file, `context`
what precedes the question. A question becomes a dialogue of one turn with the fields `choices` and `answer` (an index).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.labels import split_of
from ruxi.dialogues.importers.reading import json_lines
from ruxi.dialogues.schema import CastMember, Dialogue, Part, Turn
from ruxi.errors import DataError

_USER = "User"
_MOST_CHOICES = 26


class _Record(BaseModel):
    question: str
    choices: list[str] = Field(min_length=2, max_length=_MOST_CHOICES)
    answer: int | str
    id: str | int | None = None
    context: str | None = None
    image: str | None = None
    split: str | None = None


class MultipleChoiceImporter(Importer):
    """Reads questions with choices."""

    name = "multiple-choice"
    summary = "Questions with choices: JSON lines of {question, choices, answer}"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream one dialogue a question, from a file or from all `.jsonl` files of a folder."""
        paths = [source] if source.is_file() else sorted(source.glob("*.jsonl"))
        if not paths:
            raise DataError("holds no .jsonl file", where=str(source), remedy="Give a file of JSON lines.")
        for path in paths:
            for number, record in json_lines(path, _Record, context):
                with context.guard(path, number):
                    parts = [Part(kind="text", text=text) for text in (record.context, record.question) if text]
                    if record.image:
                        sha256 = context.medium(record.image, "image", file=path, line=number)
                        parts.insert(0, Part(kind="image", media=sha256, name=record.image))
                    extra: dict[str, Any] = {"choices": record.choices, "answer": _index(record)}
                    yield Dialogue(
                        id=str(record.id if record.id is not None else f"{path.stem}-{number}"),
                        cast=[CastMember(name=_USER, kind="user")],
                        turns=[Turn(speaker=_USER, parts=parts)],
                        split=split_of(record.split, context, path, number),
                        **extra,
                    )


def _index(record: _Record) -> int:
    answer = record.answer
    if isinstance(answer, str) and answer in record.choices:
        return record.choices.index(answer)
    if isinstance(answer, str) and len(answer) == 1 and answer.isalpha():
        answer = ord(answer.upper()) - ord("A")
    if isinstance(answer, str) and answer.isdigit():
        answer = int(answer)
    if not isinstance(answer, int) or not 0 <= answer < len(record.choices):
        raise DataError(
            f"the answer {record.answer!r} is none of the {len(record.choices)} choices",
            remedy="Give its index from 0, its letter, or its text.",
        )
    return answer
