"""Multi-class Weather (Ajayi, 2018): photographs of cloudy, rainy, sunny weather and of sunrise.

A folder with `metadata.jsonl` and `images/`. One turn each: the user shows the photograph, whose label is the weather.
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
    image: str
    label: str
    split: str | None = None


class WeatherImporter(Importer):
    """Reads Multi-class Weather."""

    name = "weather"
    summary = "Multi-class Weather: photographs of four kinds of weather"
    source = "Multi-class Weather Dataset (Ajayi, 2018)"
    licence = "CC-BY-4.0"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream one dialogue for each photograph."""
        path = find(source, "metadata.jsonl")
        for number, record in json_lines(path, _Record, context):
            with context.guard(path, number):
                yield shown(
                    Path(record.image).stem,
                    "image",
                    context.medium(record.image, "image", file=path, line=number),
                    name=record.image,
                    label=record.label,
                    label_source=self.name,
                    split=split_of(record.split, context, path, number),
                    licence=self.licence,
                )
