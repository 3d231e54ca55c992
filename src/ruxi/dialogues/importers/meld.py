"""MELD (Poria et al., ACL 2019): the series Friends, with an emotion and a sentiment for each utterance.

A folder with `dialogues.jsonl`. Every speaker is a character without a card. The seven emotions are labels of
GoEmotions by name; the sentiment is kept as a turn's `sentiment`. An episode is a group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.labels import emotion_or_report, split_of
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.schema import CastMember, Dialogue, Turn


class _Line(BaseModel):
    speaker: str
    text: str
    emotion: str | None = None
    sentiment: str | None = None


class _Record(BaseModel):
    id: str
    corpus: str = "MELD"
    split: str | None = None
    season: str = ""
    episode: str = ""
    turns: list[_Line]


class MeldImporter(Importer):
    """Reads MELD."""

    name = "meld"
    summary = "MELD: the series Friends with emotions"
    source = "MELD (Poria et al., ACL 2019)"
    licence = "GPL-3.0"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the dialogues."""
        path = find(source, "dialogues.jsonl", "dialogues.jsonl.gz")
        for number, record in json_lines(path, _Record, context):
            with context.guard(path, number):
                turns = [
                    Turn.of_text(
                        line.speaker,
                        line.text,
                        emotion=emotion_or_report(line.emotion, context, path, number),
                        source_emotion=line.emotion,
                        sentiment=line.sentiment,
                    )
                    for line in record.turns
                ]
                yield Dialogue(
                    id=f"{record.corpus}-{record.split}-{record.id}",
                    cast=[CastMember(name=name) for name in dict.fromkeys(turn.speaker for turn in turns)],
                    turns=turns,
                    split=split_of(record.split, context, path, number),
                    group=f"season {record.season}, episode {record.episode}" if record.episode else None,
                    licence=self.licence,
                    language="en",
                )
