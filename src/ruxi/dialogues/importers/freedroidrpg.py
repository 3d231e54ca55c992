"""FreedroidRPG: what the player, Tux, says to a game character, and what it answers.

A folder with `dialogue.jsonl` and `characters.jsonl`. The game's branches follow each other in the file, so only a
line of the player with the character's line right after it is known to belong together: each such pair is a dialogue
of two turns. Further lines of the character after it may come from another branch; they are kept as the reply's
`following`. Lines in no pair are counted in the report. Tux is the user, and stands where the text says `%s`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.schema import CastMember, Dialogue, Turn

_PLAYER = "Tux"


class _Line(BaseModel):
    npc: str
    node: str = ""
    role: str
    text: str


class _Relationship(BaseModel):
    actor: str
    text: str = ""


class _Person(BaseModel):
    id: str
    name: str | None = None
    label: str | None = None
    type_desc: str | None = None
    type_notes: str | None = None
    personality: list[str] = Field(default_factory=list)
    purpose: str | None = None
    backstory: str | None = None
    relationships: list[_Relationship] = Field(default_factory=list)
    faction: str | None = None
    portrait: str | None = None


class FreedroidRpgImporter(Importer):
    """Reads FreedroidRPG."""

    name = "freedroidrpg"
    summary = "FreedroidRPG: pairs of a player's line and a game character's answer"
    source = "FreedroidRPG"
    licence = "GPL-2.0-or-later"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the pairs."""
        path = find(source, "dialogue.jsonl")
        names = self._add_characters(path.parent / "characters.jsonl", context)
        numbered = json_lines(path, _Line, context)
        for (npc, node), group in groupby(numbered, key=lambda item: (item[1].npc, item[1].node)):
            block = list(group)
            paired = 0
            for place, (number, line) in enumerate(block):
                if line.role != "user" or place + 1 == len(block) or block[place + 1][1].role == "user":
                    continue
                replies = _run(block, place + 1)
                paired += 1 + len(replies)
                name = names.get(npc, npc)
                following = [_spoken(text) for text in replies[1:]]
                more: dict[str, Any] = {"following": following} if following else {}
                with context.guard(path, number):
                    yield Dialogue(
                        id=f"{npc}/{node}/{number}",
                        cast=[
                            CastMember(name=_PLAYER, kind="user"),
                            CastMember(name=name, character=context.character_id(npc)),
                        ],
                        turns=[
                            Turn.of_text(_PLAYER, _spoken(line.text)),
                            Turn.of_text(name, _spoken(replies[0]), **more),
                        ],
                        group=npc,
                        licence=self.licence,
                        language="en",
                    )
            if alone := len(block) - paired:
                problem = f"{alone} lines of {npc!r} stand in no pair of player and character"
                remedy = "Nothing to do: the game decides by conditions when they are said."
                context.problem("not representable", problem, file=path, line=block[0][0], remedy=remedy, lost=alone)

    def _add_characters(self, path: Path, context: ImportContext) -> dict[str, str]:
        from ruxi.characters import Character

        names: dict[str, str] = {}
        if not path.is_file():
            return names
        for number, person in json_lines(path, _Person, context):
            about = [person.label, person.purpose, person.backstory]
            about += [f"{other.actor}: {other.text}" for other in person.relationships]
            names[person.id] = person.name or person.id
            own = {"faction": person.faction, "type": person.type_desc, "type_notes": person.type_notes}
            if person.portrait:
                own["portrait"] = context.medium(person.portrait, "image", file=path, line=number)
            card = Character(
                name=names[person.id],
                description="\n".join(words for words in about if words),
                personality=", ".join(person.personality),
                creator="FreedroidRPG",
                extensions={"ruxi": {key: value for key, value in own.items() if value}},
            )
            context.character(person.id, card)
        return names


def _run(block: list[tuple[int, _Line]], start: int) -> list[str]:
    end = start
    while end < len(block) and block[end][1].role != "user":
        end += 1
    return [line.text for _, line in block[start:end]]


def _spoken(text: str) -> str:
    return text.replace("%s", _PLAYER) if text.count("%") == text.count("%s") else text
