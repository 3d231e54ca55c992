"""FER-2013 (Goodfellow et al., 2013): faces of 48 x 48 pixels with seven emotions.

A folder with `metadata.jsonl` and `images.zip` (or the pictures themselves). One turn each: the user shows a face;
the emotion is the turn's, the original label the picture's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.labelled import shown
from ruxi.dialogues.importers.labels import emotion_or_report, split_of
from ruxi.dialogues.importers.reading import Archive, find, json_lines
from ruxi.dialogues.schema import Dialogue


class _Record(BaseModel):
    image: str
    emotion: str
    split: str | None = None


class Fer2013Importer(Importer):
    """Reads FER-2013."""

    name = "fer2013"
    summary = "FER-2013: faces with seven emotions"
    source = "FER-2013 (Goodfellow et al., 2013)"
    licence = "research use"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream one dialogue for each face."""
        path = find(source, "metadata.jsonl")
        zipped = path.parent / "images.zip"
        archive = Archive(zipped) if zipped.is_file() else None
        for number, record in json_lines(path, _Record, context):
            with context.guard(path, number):
                data = archive.read(record.image) if archive else None
                yield shown(
                    record.image.rpartition(".")[0] or record.image,
                    "image",
                    context.medium(data or record.image, "image", file=path, line=number),
                    name=record.image,
                    label=record.emotion,
                    label_source=self.name,
                    emotion=emotion_or_report(record.emotion, context, path, number),
                    split=split_of(record.split, context, path, number),
                    licence=self.licence,
                )
