"""Chats as language-model tools write them: roles instead of people, media in parts or behind placeholders.

The assistant is the character; its system message is the description of its card, and the same system message is the
same card. What the schema has no field for is kept: of a message as the turn's `message`, of a record as the
dialogue's `record`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ruxi.dialogues.importers.base import ImportContext, MediumKind
from ruxi.dialogues.schema import CastMember, Dialogue, Part, Turn
from ruxi.files import sha256_of_bytes

USER, ASSISTANT = "User", "Assistant"
Side = Literal["system", "user", "assistant", "tool"]

SIDES: dict[str, Side] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
_PLACEHOLDER = re.compile(r"<(image|video|audio)>")
_KNOWN_PARTS = {
    "audio", "audio_url", "image", "image_url", "input_audio", "input_text", "output_text", "refusal", "text", "video",
    "video_url",
}  # fmt: skip


class Message(BaseModel):
    """A message of the OpenAI API or of a chat template."""

    model_config = ConfigDict(extra="allow")

    role: str
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None


class Saying(BaseModel):
    """A message of ShareGPT."""

    model_config = ConfigDict(extra="allow")

    sender: str = Field(alias="from")
    value: str


@dataclass
class Media:
    """The media that a record keeps apart from its messages, to be taken in order.

    Attributes:
        images: File names, data URLs or bytes.
        videos: The same for videos.
        audios: The same for sounds.
        taken: How many of each kind are used.
    """

    images: list[str | bytes] = field(default_factory=list)
    videos: list[str | bytes] = field(default_factory=list)
    audios: list[str | bytes] = field(default_factory=list)
    taken: dict[MediumKind, int] = field(default_factory=dict)

    def next(self, kind: MediumKind) -> str | bytes | None:
        """The next medium of a kind, or None when there are no more."""
        place = self.taken.get(kind, 0)
        self.taken[kind] = place + 1
        waiting = self._of(kind)
        return waiting[place] if place < len(waiting) else None

    def rest(self, kind: MediumKind) -> Iterator[str | bytes]:
        """All further media of a kind."""
        while (medium := self.next(kind)) is not None:
            yield medium
        self.taken[kind] = len(self._of(kind))

    def left(self) -> dict[MediumKind, int]:
        """How many media of each kind no message has asked for; negative when too few were there."""
        kinds: tuple[MediumKind, ...] = ("image", "video", "audio")
        counts = {kind: len(self._of(kind)) - self.taken.get(kind, 0) for kind in kinds}
        return {kind: count for kind, count in counts.items() if count}

    def _of(self, kind: MediumKind) -> list[str | bytes]:
        return {"image": self.images, "video": self.videos, "audio": self.audios}[kind]


@dataclass
class Place:
    """Where a record stands, for reports, and how its media are found."""

    context: ImportContext
    file: Path
    line: int
    fetch: bool = False

    def report(
        self, kind: Literal["unknown label", "not representable", "missing medium"], problem: str, remedy: str
    ) -> None:
        """Report a problem of this record."""
        self.context.problem(kind, problem, file=self.file, line=self.line, remedy=remedy)

    def part(self, kind: MediumKind, medium: str | bytes) -> Part:
        """A part for a medium; without one if it is missing or broken."""
        sha256 = self.context.medium(medium, kind, file=self.file, line=self.line, fetch=self.fetch)
        named = isinstance(medium, str) and not medium.startswith("data:")
        return Part(kind=kind, media=sha256, name=str(medium)[:200] if named else None)


def from_messages(
    identifier: str, messages: list[Message], media: Media, place: Place, system: str | None = None, **fields: Any
) -> Dialogue:
    """A dialogue from messages with roles.

    Args:
        identifier: The dialogue's id.
        messages: The messages; a system message at the beginning is the persona.
        media: Media that placeholders or empty parts stand for.
        place: Where the record stands.
        system: The persona, if it stands apart.
        **fields: Further fields of the dialogue.
    """
    turns: list[Turn] = []
    kinds: dict[str, Literal["character", "user", "narrator"]] = {}
    for message in messages:
        side = _side(message.role, place)
        extra = dict(message.model_extra or {})
        if isinstance(message.content, list):
            extra |= _unknown_parts(message.content, place)
        parts = list(_parts(message.content, media, place))
        text = "\n".join(part.text for part in parts if part.kind == "text" and part.text)
        if side == "system" and not turns and system is None:
            system = text
            continue
        usual = {"user": USER, "assistant": ASSISTANT} if message.role.lower() in SIDES else {}
        speaker = message.name or usual.get(side, message.role)
        kinds.setdefault(speaker, "character" if side == "assistant" else "user" if side == "user" else "narrator")
        turns.append(Turn(speaker=speaker, parts=parts, **({"message": extra} if extra else {})))
    _show_unplaced(turns, kinds, media, place)
    for kind, count in media.left().items():
        problem = f"{count} {kind}s that no message asks for" if count > 0 else f"{-count} {kind} placeholders too many"
        place.report("missing medium", problem, "Make placeholders and media agree; the turns are kept.")
    cast = [
        CastMember(
            name=name, kind=kind, character=_card(name, system, place) if kind == "character" and system else None
        )
        for name, kind in kinds.items()
    ]
    return Dialogue(id=identifier, cast=cast, turns=turns, **fields)


def _show_unplaced(turns: list[Turn], kinds: Mapping[str, str], media: Media, place: Place) -> None:
    """Media for which no text has a placeholder are shown by the user at the beginning."""
    first = next((turn for turn in turns if kinds[turn.speaker] == "user"), None)
    unplaced = [kind for kind in media.left() if kind not in media.taken]
    if first is not None:
        shown = [place.part(kind, medium) for kind in unplaced for medium in media.rest(kind)]
        first.parts = [*shown, *first.parts]


def from_sharegpt(
    identifier: str, sayings: list[Saying], media: Media, place: Place, system: str | None = None, **fields: Any
) -> Dialogue:
    """A dialogue from ShareGPT's conversations, with `<image>`, `<video>` and `<audio>` in the text."""
    messages = [
        Message.model_validate({**(saying.model_extra or {}), "role": saying.sender, "content": saying.value})
        for saying in sayings
    ]
    return from_messages(identifier, messages, media, place, system, **fields)


def _side(role: str, place: Place) -> Side:
    side = SIDES.get(role.lower())
    if side is None:
        if place.context.once(f"role {role}"):
            place.report("unknown label", f"no role is called {role!r}", "It is taken for a user of that name.")
        return "user"
    return side


def _parts(content: str | list[dict[str, Any]] | None, media: Media, place: Place) -> Iterator[Part]:
    if isinstance(content, str):
        yield from _parts_of_text(content, media, place)
        return
    for part in content or []:
        kind = str(part.get("type", ""))
        if kind in ("text", "input_text", "output_text"):
            yield from _parts_of_text(str(part.get("text") or ""), media, place)
        elif kind in ("image_url", "video_url", "audio_url"):
            source = part.get(kind)
            url = source.get("url") if isinstance(source, dict) else source
            yield from _medium(kind.removesuffix("_url"), url, media, place)
        elif kind == "input_audio":
            sound = part.get("input_audio")
            data = sound.get("data") if isinstance(sound, dict) else None
            yield from _medium("audio", f"data:audio;base64,{data}" if data else None, media, place)
        elif kind in ("image", "audio", "video"):
            yield from _medium(kind, part.get(kind) or part.get("url") or part.get("path"), media, place)
        elif kind == "refusal":
            yield Part(kind="text", text=str(part.get("refusal") or ""))


def _unknown_parts(content: list[dict[str, Any]], place: Place) -> dict[str, Any]:
    others = [part for part in content if part.get("type") not in _KNOWN_PARTS]
    for part in others:
        problem = f"a content part of type {part.get('type')!r}"
        place.report("not representable", problem, "It is kept in the turn's `message`, unseen by training.")
    return {"parts": others} if others else {}


def _parts_of_text(text: str, media: Media, place: Place) -> Iterator[Part]:
    """Split a text at placeholders; without media of their own they are words like any other."""
    if not (media.images or media.videos or media.audios):
        yield Part(kind="text", text=text)
        return
    pieces = _PLACEHOLDER.split(text)
    for number, piece in enumerate(pieces):
        if number % 2:
            yield from _medium(piece, None, media, place)
        elif words := piece.strip("\n"):
            yield Part(kind="text", text=words)


def _medium(kind: str, source: Any, media: Media, place: Place) -> Iterator[Part]:
    known: dict[str, MediumKind] = {"image": "image", "audio": "audio", "video": "video"}
    medium = source if isinstance(source, str | bytes) and source else media.next(known[kind])
    if medium is not None:
        yield place.part(known[kind], medium)


def _card(name: str, system: str, place: Place) -> str:
    from ruxi.characters import Character

    key = f"{name} {sha256_of_bytes(system.encode('utf-8', 'replace'))[:12]}"
    return place.context.character_id(key) or place.context.character(key, Character(name=name, description=system))
