"""RAVDESS (Livingstone & Russo, 2018): two sentences spoken by 24 actors in eight emotions.

A folder with `metadata.jsonl` and `audio/`. One turn each: the user speaks; the emotion is the turn's, with `calm` as
neutral. The original label, one of eight, is the sound's label. An actor is a group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.labelled import shown
from ruxi.dialogues.importers.labels import emotion_or_report, split_of
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.schema import Dialogue


class _Record(BaseModel):
    audio: str
    emotion: str
    text: str | None = None
    intensity: str | None = None
    actor: int | None = None
    gender: str | None = None
    duration: float | None = None
    split: str | None = None


class RavdessImporter(Importer):
    """Reads RAVDESS."""

    name = "ravdess"
    summary = "RAVDESS: acted speech with eight emotions"
    source = "RAVDESS (Livingstone & Russo, 2018)"
    licence = "CC-BY-NC-SA-4.0"

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
                    label=record.emotion,
                    label_source=self.name,
                    transcript=record.text,
                    emotion=emotion_or_report(record.emotion, context, path, number),
                    split=split_of(record.split, context, path, number),
                    language="en",
                    end=record.duration,
                    group=None if record.actor is None else f"actor {record.actor:02}",
                    licence=self.licence,
                    intensity=record.intensity,
                    gender=record.gender,
                )
