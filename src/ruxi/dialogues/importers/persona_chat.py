"""Synthetic-Persona-Chat (Jandaghi et al., 2023): two people, each with a persona of four or five sentences.

A folder with `conversations.jsonl[.gz]`. Both speakers are characters, and their persona is the description of their
card; the same sentences in the same place are the same character.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.labels import split_of
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.schema import CastMember, Dialogue, Turn
from ruxi.files import sha256_of_bytes


class _Record(BaseModel):
    split: str | None = None
    persona1: list[str]
    persona2: list[str]
    turns: list[tuple[int, str]]


class PersonaChatImporter(Importer):
    """Reads Synthetic-Persona-Chat."""

    name = "persona-chat"
    summary = "Synthetic-Persona-Chat: two characters with a persona each"
    source = "Synthetic-Persona-Chat (Jandaghi et al., 2023)"
    licence = "CC-BY-4.0"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the dialogues."""
        path = find(source, "conversations.jsonl.gz", "conversations.jsonl")
        for number, record in json_lines(path, _Record, context):
            with context.guard(path, number):
                cast = [
                    CastMember(name=f"Person {place}", character=_card(place, persona, context))
                    for place, persona in ((1, record.persona1), (2, record.persona2))
                ]
                yield Dialogue(
                    id=f"{record.split}-{number}",
                    cast=cast,
                    turns=[Turn.of_text(f"Person {place}", text) for place, text in record.turns],
                    split=split_of(record.split, context, path, number),
                    licence=self.licence,
                    language="en",
                )


def _card(place: int, persona: list[str], context: ImportContext) -> str:
    from ruxi.characters import Character

    description = "\n".join(persona)
    key = f"Person {place} {sha256_of_bytes(chr(10).join(sorted(persona)).encode())[:12]}"
    card = Character(name=f"Person {place}", description=description, creator="Synthetic-Persona-Chat")
    return context.character_id(key) or context.character(key, card)
