"""LibriSpeech (Panayotov et al., ICASSP 2015): read speech with its text.

A folder with `metadata.jsonl` and `audio/`. One turn each: the user speaks, and the text is the transcript. A reader
is a group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.labelled import shown
from ruxi.dialogues.importers.labels import split_of
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.schema import Dialogue


class _Record(BaseModel):
    audio: str
    text: str
    speaker: str | None = None
    duration: float | None = None
    split: str | None = None


class LibriSpeechImporter(Importer):
    """Reads LibriSpeech."""

    name = "librispeech"
    summary = "LibriSpeech: read speech with its text"
    source = "LibriSpeech (Panayotov et al., ICASSP 2015)"
    licence = "CC-BY-4.0"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream one dialogue for each utterance."""
        path = find(source, "metadata.jsonl")
        for number, record in json_lines(path, _Record, context):
            with context.guard(path, number):
                yield shown(
                    Path(record.audio).stem,
                    "audio",
                    context.medium(record.audio, "audio", file=path, line=number),
                    name=record.audio,
                    transcript=record.text,
                    split=split_of(record.split, context, path, number),
                    language="en",
                    end=record.duration,
                    group=f"reader {record.speaker}" if record.speaker else None,
                    licence=self.licence,
                )
