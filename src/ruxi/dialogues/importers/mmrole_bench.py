"""MMRole-Bench (Dai et al., ICLR 2025): the 294 test items of MMRole, each a dialogue that ends with the gold reply.

A folder with `test.jsonl`, `images/` and `profiles/`. An item is published as one prompt text; history, picture notes
and the last question are taken out of it again, so that every model sees them in its own format. Everything is
`holdout`. A dialogue's group is the id of the MMRole dialogue that the item was cut from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ruxi.dialogues.importers.base import ImportContext
from ruxi.dialogues.importers.mmrole import MMRoleImporter
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.schema import CastMember, Dialogue, Part, Turn
from ruxi.errors import DataError

USER = "human"

_QUESTION = re.compile(
    r"\n\n\nPlease respond to the following words of .+? about the image in (English|Chinese) [^\n]*\n"
)
_OPENING = re.compile(r"\n\n\nPlease initiate the conversation with .+? in (English|Chinese) [^\n]*\Z")
_HISTORY = re.compile(r"\n\n\nThe conversation history between .+? is as follows:\n")
_SPEAKER = re.compile(r"^\[([^\]\n]{1,40})\]: ?", re.MULTILINE)
_NOTES = re.compile(r"\n\n\nThe auxiliary information of the image is as follows:\n(.*?)(?=\n\n\n|\Z)", re.DOTALL)
_NOTE = re.compile(r"^ - (Character|Place|Scene) information: ?(.*)$", re.MULTILINE)


class BenchItem(BaseModel):
    """A line of `test.jsonl`."""

    id: str
    split: str
    type: str
    role: str
    other_role: str
    image: str | None = None
    prompt: str
    gold: str


class MMRoleBenchImporter(MMRoleImporter):
    """Reads the test items of MMRole."""

    name = "mmrole-bench"
    summary = "MMRole-Bench: the 294 test items of MMRole"
    source = "MMRole-Bench (Dai et al., ICLR 2025)"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the items in their published order."""
        path = find(source, "test.jsonl")
        self._add_characters(path.parent / "profiles", context)
        for number, item in json_lines(path, BenchItem, context):
            with context.guard(path, number):
                yield self._as_dialogue(item, context, path, number)

    def _as_dialogue(self, item: BenchItem, context: ImportContext, path: Path, number: int) -> Dialogue:
        request = _QUESTION.search(item.prompt) or _OPENING.search(item.prompt)
        if request is None:
            raise DataError("the prompt neither asks for a reply nor for an opening")
        turns = _history(item.prompt[: request.start()])
        partner = _partner(item, turns)
        words = item.prompt[request.end() :].strip()
        # An opening has a picture to speak about, but no words.
        turns.append(Turn.of_text(partner, words) if words else Turn(speaker=partner))
        turns.append(Turn.of_text(item.role, item.gold.strip()))
        if item.image:
            turns[0].parts.insert(0, self._shown(item, context, path, number))
        cast = [
            CastMember(name=name, kind="user" if name == USER else "character", character=context.character_id(name))
            for name in (partner, item.role)
        ]
        extra: dict[str, Any] = {"kind": item.type, "distribution": item.split}
        return Dialogue(
            id=item.id,
            cast=cast,
            turns=turns,
            split="test",
            holdout=True,
            group=item.id.rpartition("_")[0] if item.type != "comment" else item.id,
            licence=self.licence,
            language="zh" if request[1] == "Chinese" else "en",
            **extra,
        )

    def _shown(self, item: BenchItem, context: ImportContext, path: Path, number: int) -> Part:
        found = _NOTES.search(item.prompt)
        notes = {kind: words.strip() for kind, words in _NOTE.findall(found[1] if found else "")}
        return self._image_part(
            item.image or "",
            [
                notes.get("Character", ""),
                f"Place: {notes['Place']}" if notes.get("Place") else "",
                notes.get("Scene", ""),
            ],
            context,
            path,
            number,
        )


def _history(text: str) -> list[Turn]:
    found = _HISTORY.search(text)
    if found is None:
        return []
    pieces = _SPEAKER.split(text[found.end() :])
    if pieces[0].strip():
        raise DataError(f"the history begins with {pieces[0].strip()[:40]!r}, not with who speaks")
    return [Turn.of_text(name, words.strip()) for name, words in zip(pieces[1::2], pieces[2::2], strict=True)]


def _partner(item: BenchItem, history: list[Turn]) -> str:
    """Whom the role talks with; one published item names the role itself, and its history tells the other."""
    if item.other_role == "a curious human":
        return USER
    others = [turn.speaker for turn in history if turn.speaker != item.role]
    return others[0] if item.other_role == item.role and others else item.other_role
