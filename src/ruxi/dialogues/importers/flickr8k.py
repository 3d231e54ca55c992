"""Flickr8k (Hodosh et al., 2013): photographs with five captions each.

A folder with `captions.jsonl` and `images/`. The user shows a photograph and a character without a card, the
observer, answers with the first caption; the other captions are the reply's `alternatives`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.labelled import shown
from ruxi.dialogues.importers.labels import split_of
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.schema import CastMember, Dialogue, Turn

_OBSERVER = "Observer"


class _Record(BaseModel):
    image: str
    captions: list[str] = Field(min_length=1)
    split: str | None = None


class Flickr8kImporter(Importer):
    """Reads Flickr8k."""

    name = "flickr8k"
    summary = "Flickr8k: photographs with five captions each"
    source = "Flickr8k (Hodosh et al., 2013)"
    licence = "research use"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream one dialogue for each photograph."""
        path = find(source, "captions.jsonl")
        for number, record in json_lines(path, _Record, context):
            with context.guard(path, number):
                dialogue = shown(
                    Path(record.image).stem,
                    "image",
                    context.medium(record.image, "image", file=path, line=number),
                    name=record.image,
                    split=split_of(record.split, context, path, number),
                    language="en",
                    licence=self.licence,
                )
                dialogue.cast.append(CastMember(name=_OBSERVER))
                dialogue.turns.append(Turn.of_text(_OBSERVER, record.captions[0], alternatives=record.captions[1:]))
                yield dialogue
