"""SillyTavern's chats: `.jsonl` files with a header and one message a line.

A file, a folder of chats, or a user's whole folder (`data/default-user`), where cards and pictures are found too.
Each file is a dialogue: the person is the user, everybody else a character, and system messages are the narrator's.
Swipes become the turn's `swipes`; whatever else a message holds is kept as its `message`. Chats that Ruxi exported
come back whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ruxi.dialogues.importers.base import ImportContext, Importer, ImportOptions
from ruxi.dialogues.importers.reading import files_in, json_lines
from ruxi.dialogues.schema import CastMember, Dialogue, Part, Turn


class SillyTavernOptions(ImportOptions):
    """Options of the SillyTavern importer."""

    language: str | None = None
    """BCP 47 code of the texts."""
    cards: Path | None = None
    """Folder of the character cards, unless it is the source's `characters/`."""


class _Line(BaseModel):
    """The header or a message; the header has no `mes`."""

    model_config = ConfigDict(extra="allow")

    name: str | None = None
    is_user: bool = False
    is_system: bool = False
    mes: str | None = None
    user_name: str | None = None
    character_name: str | None = None
    chat_metadata: dict[str, Any] = Field(default_factory=dict)
    extra: dict[str, Any] = Field(default_factory=dict)
    swipes: list[str] = Field(default_factory=list)


class SillyTavernImporter(Importer):
    """Reads SillyTavern chats."""

    name = "sillytavern"
    summary = "SillyTavern chats (.jsonl)"
    Options = SillyTavernOptions
    options: SillyTavernOptions

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream one dialogue for each file."""
        for path in files_in(source, ".jsonl"):
            header, messages = _Line(), list[tuple[int, _Line]]()
            for number, line in json_lines(path, _Line, context):
                if line.mes is not None:
                    messages.append((number, line))
                elif line.user_name is not None or line.character_name is not None or line.chat_metadata:
                    header = line
                else:
                    remedy = "Correct the line, or leave the file out if it is no chat."
                    problem = "neither a header nor a message ('mes' is missing)"
                    context.problem("unreadable", problem, file=path, line=number, remedy=remedy, lost=1)
            if messages:
                with context.guard(path, messages[0][0]):
                    yield self._dialogue(header, messages, path, context)

    def _dialogue(
        self, header: _Line, messages: list[tuple[int, _Line]], path: Path, context: ImportContext
    ) -> Dialogue:
        own = header.chat_metadata.get("ruxi")
        if isinstance(own, dict):
            return self._restored(own, messages, path, context)
        cast: dict[str, CastMember] = {}
        turns = []
        for number, line in messages:
            speaker = line.name or (header.user_name if line.is_user else header.character_name) or "Unknown"
            if speaker not in cast:
                kind = "narrator" if line.is_system else "user" if line.is_user else "character"
                card = self._card(speaker, context) if kind == "character" else None
                cast[speaker] = CastMember.model_validate({"name": speaker, "kind": kind, "character": card})
            turns.append(_turn(speaker, line, path, number, context))
        rest = {"create_date": (header.model_extra or {}).get("create_date"), "chat_metadata": header.chat_metadata}
        return Dialogue(
            id=str(path.relative_to(context.root).with_suffix("")),
            cast=list(cast.values()),
            turns=turns,
            language=self.options.language,
            record={name: value for name, value in rest.items() if value},
        )

    def _card(self, name: str, context: ImportContext) -> str | None:
        from ruxi.characters import Character

        if (known := context.character_id(name)) is not None:
            return known
        root = (self.options.cards or context.root / "characters").absolute()
        for ending in (".png", ".json"):
            if path := context.locate(name + ending, root):
                return context.character(name, Character.load(path))
        return None

    def _restored(
        self, own: dict[str, Any], messages: list[tuple[int, _Line]], path: Path, context: ImportContext
    ) -> Dialogue:
        """A dialogue that Ruxi exported: its turns stand beside the words, which may have been edited since."""
        turns = []
        for number, line in messages:
            kept = line.extra.get("ruxi")
            if not isinstance(kept, dict):
                turns.append(_turn(line.name or "Unknown", line, path, number, context))
                continue
            turn = Turn.model_validate(kept)
            names = iter(_files(line.extra))
            for part in turn.parts:
                if part.media is not None and part.kind != "text":
                    name = next(names, None)
                    part.media = context.medium(name, part.kind, file=path, line=number) if name else None
            if turn.text != line.mes:
                others = [part for part in turn.parts if part.kind != "text"]
                turn.parts = [*others, Part(kind="text", text=line.mes or "")]
            turns.append(turn)
        dialogue = Dialogue.model_validate({**own, "turns": turns})
        for member in dialogue.cast:
            if member.character is not None:
                card = self._card(member.character, context)
                if card is None and context.once(f"card {member.character}"):
                    problem = f"there is no card {member.character!r}"
                    remedy = "Put it into characters/."
                    context.problem("missing character", problem, file=path, line=1, remedy=remedy)
                member.character = card
        return dialogue


def _turn(speaker: str, line: _Line, path: Path, number: int, context: ImportContext) -> Turn:
    parts = [
        Part(kind="image", media=context.medium(image.lstrip("/"), "image", file=path, line=number), name=image[:200])
        for image in _files(line.extra, "image")
    ]
    parts.append(Part(kind="text", text=line.mes or ""))
    kept = dict(line.model_extra or {}) | ({"extra": line.extra} if line.extra else {})
    fields: dict[str, Any] = {"swipes": line.swipes} if line.swipes else {}
    if kept:
        fields["message"] = kept
    return Turn(speaker=speaker, parts=parts, **fields)


def _files(extra: dict[str, Any], kind: str | None = None) -> list[str]:
    """The files of a message, of one kind if asked: `media` since version 1.13, before that a single `image`."""
    listed = extra.get("media")
    found = [
        item["url"]
        for item in (listed if isinstance(listed, list) else [])
        if isinstance(item, dict) and isinstance(item.get("url"), str) and kind in (None, item.get("type"))
    ]
    image = extra.get("image")
    return found or ([image] if isinstance(image, str) and image else [])
