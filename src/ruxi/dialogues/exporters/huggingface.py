"""Hugging Face `datasets`: a folder of Parquet files that `load_dataset` opens, with everything in it.

The columns are for other tools: `messages` with role, name and content, and the media as `images`, `audios` and
`videos`, which the Hub shows (sounds are bytes until the column is cast to decode them). The column `ruxi` holds each
dialogue whole, and `characters/` the cards, so that a round trip loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from ruxi import files
from ruxi.dialogues.exporters.base import Exporter, ExportReport, medium_of, split_name
from ruxi.dialogues.exporters.sides import RoleOptions, assistant_of
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.shards import pyarrow
from ruxi.dialogues.store import DialogueSet

_ROWS = 100
_BYTES = 64 * 2**20
_COLUMN = {"image": "images", "audio": "audios", "video": "videos"}


class HuggingFaceExporter(Exporter):
    """Writes a Hugging Face data set."""

    name = "huggingface"
    summary = "Hugging Face datasets: Parquet files for load_dataset"
    holds: ClassVar[frozenset[str]] = frozenset({"*"})
    Options = RoleOptions
    options: RoleOptions

    def write(self, data: DialogueSet, out: Path, report: ExportReport, progress: Callable[[int], None]) -> None:
        """Write one Parquet file for each split, the cards and a README."""
        with ExitStack() as stack:
            tables: dict[str, _Table] = {}
            for dialogue in self.dialogues(data, report, progress):
                name = split_name(dialogue)
                if name not in tables:
                    tables[name] = stack.enter_context(_Table(out / "data" / f"{name}-00000-of-00001.parquet"))
                tables[name].add(self._row(dialogue, data, report))
        for identifier in data.character_ids():
            source = data.path / "characters" / f"{identifier}.json"
            files.write_bytes(out / "characters" / source.name, source.read_bytes())
        files.write_text(out / "README.md", _readme(data))

    def _row(self, dialogue: Dialogue, data: DialogueSet, report: ExportReport) -> dict[str, Any]:
        assistant = assistant_of(dialogue, self.options.character)
        row: dict[str, Any] = {
            "id": dialogue.id,
            "language": dialogue.language,
            "source": dialogue.source,
            "licence": dialogue.licence,
            "messages": [
                {
                    "role": "assistant" if turn.speaker == assistant else "user",
                    "name": turn.speaker,
                    "content": turn.text,
                }
                for turn in dialogue.turns
            ],
            "images": [],
            "audios": [],
            "videos": [],
            "ruxi": dialogue.to_json(),
        }
        for turn in dialogue.turns:
            for part in turn.parts:
                if part.kind != "text" and (medium := medium_of(part, data, report)) is not None:
                    row[_COLUMN[part.kind]].append({"bytes": medium, "path": data.media.path(part.media or "").name})
        return row


class _Table:
    """A Parquet file that is written in row groups of bounded size."""

    def __init__(self, path: Path) -> None:
        from datasets import Audio, Features, Image, List, Value

        pyarrow()
        from pyarrow.parquet import ParquetWriter

        text = Value("string")
        medium = {"bytes": Value("binary"), "path": text}
        features = Features(
            {
                "id": text,
                "language": text,
                "source": text,
                "licence": text,
                "messages": List({"role": text, "name": text, "content": text}),
                "images": List(Image()),
                "audios": List(Audio(decode=False)),
                "videos": List(medium),
                "ruxi": text,
            }
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        self._schema = features.arrow_schema
        self._writer: Any = ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._flush()
        self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        """Add a row; many rows or much media are written at once."""
        self._rows.append(row)
        self._bytes += sum(len(item["bytes"]) for column in _COLUMN.values() for item in row[column])
        if len(self._rows) >= _ROWS or self._bytes >= _BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pyarrow().Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._bytes = [], 0


def _readme(data: DialogueSet) -> str:
    info = data.info
    return (
        f"---\npretty_name: {json.dumps(info.name)}\n---\n\n# {info.name}\n\n{info.description or ''}\n\n"
        f"Source: {info.source or 'unknown'}. Licence: {info.licence or 'unknown'}.\n\n"
        "Written by Ruxi. The column `ruxi` holds each dialogue whole; `ruxi data import huggingface` reads it back "
        "with its media and the cards in `characters/`.\n"
    )
