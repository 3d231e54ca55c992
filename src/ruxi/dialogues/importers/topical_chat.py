"""Topical-Chat (Gopalakrishnan et al., Interspeech 2019): knowledge-grounded chats with emotions and ratings.

A folder with `conversations.jsonl[.gz]`. `agent_1`, who opens, is the user and `agent_2` the character. Its eight
emotions become curiosity, joy and so on (`Curious to dive deeper` is curiosity), its five ratings numbers from 0
(Poor) to 1 (Excellent); the original label is kept as `source_emotion`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.labels import emotion_or_report, split_of
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.schema import CastMember, Dialogue, Turn

_RATINGS: Final[dict[str, float]] = {"poor": 0.0, "not good": 0.25, "passable": 0.5, "good": 0.75, "excellent": 1.0}


class _Line(BaseModel):
    agent: str
    text: str
    emotion: str | None = None
    rating: str = ""


class _Record(BaseModel):
    id: str
    split: str | None = None
    config: str | None = None
    turns: list[_Line]


class TopicalChatImporter(Importer):
    """Reads Topical-Chat."""

    name = "topical-chat"
    summary = "Topical-Chat: knowledge-grounded chats with emotions and ratings"
    source = "Topical-Chat (Gopalakrishnan et al., Interspeech 2019)"
    licence = "CDLA-Sharing-1.0"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the dialogues."""
        path = find(source, "conversations.jsonl.gz", "conversations.jsonl")
        for number, record in json_lines(path, _Record, context):
            with context.guard(path, number):
                turns = [
                    Turn.of_text(
                        line.agent,
                        line.text.strip(),
                        emotion=emotion_or_report(line.emotion, context, path, number),
                        source_emotion=line.emotion,
                        rating=_RATINGS.get(line.rating.lower()),
                    )
                    for line in record.turns
                ]
                yield Dialogue(
                    id=record.id,
                    cast=[CastMember(name="agent_1", kind="user"), CastMember(name="agent_2")],
                    turns=turns,
                    split=split_of(record.split, context, path, number),
                    licence=self.licence,
                    language="en",
                    config=record.config,
                    source_split=record.split,
                )
