"""Lines of a game or visual novel, with the pictures that are on its stage, made into turns.

A picture is shown by the narrator when it appears or changes, and not with every line, so that nobody seems to speak
it. What a face expresses is the emotion of the turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from ruxi.dialogues.schema import CastMember, Part, Turn

NARRATOR = "Narrator"
_MARKUP = re.compile(r"</?(?:b|big|bold|i|italic|s|small|span|tt|u)(?:\s[^<>]*)?>")


@dataclass(frozen=True)
class Picture:
    """A picture on the stage.

    Attributes:
        place: What it takes the place of when it appears: `scene`, or a speaker's name.
        name: Its name in the source.
        media: Its SHA-256, or None when it is missing.
        caption: What it shows, in a few words.
    """

    place: str
    name: str
    media: str | None
    caption: str


@dataclass
class StageLine:
    """A line that somebody says.

    Attributes:
        speaker: Name of the speaker, or None for narration.
        text: The words.
        kind: What the speaker is in the cast.
        card: Id of the speaker's character card.
        language: BCP 47 code of the text.
        translations: The text in other languages.
        emotion: GoEmotions label.
        action: What the speaker does.
        pictures: The pictures on the stage while the line is said.
        fields: Further fields of the turn.
    """

    speaker: str | None
    text: str
    kind: Literal["character", "user", "narrator"] = "character"
    card: str | None = None
    language: str | None = None
    translations: dict[str, str] = field(default_factory=dict)
    emotion: str | None = None
    action: str | None = None
    pictures: tuple[Picture, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)


def cast_and_turns(lines: Iterable[StageLine]) -> tuple[list[CastMember], list[Turn]]:
    """The cast and the turns of a dialogue."""
    cast: dict[str, CastMember] = {}
    turns: list[Turn] = []
    on_stage: dict[str, str] = {}
    for line in lines:
        appearing = [picture for picture in line.pictures if on_stage.get(picture.place) != picture.name]
        on_stage.update({picture.place: picture.name for picture in appearing})
        if any(picture.place == "scene" for picture in appearing):
            on_stage = {picture.place: picture.name for picture in line.pictures}
        if appearing:
            turns.append(Turn(speaker=NARRATOR, parts=[_part(picture) for picture in appearing]))
        words = Part(kind="text", text=line.text, language=line.language, translations=line.translations)
        if line.speaker is None and appearing:
            turns[-1].parts.append(words)
        else:
            speaker = line.speaker or NARRATOR
            fields = {"emotion": line.emotion, "action": line.action, **line.fields}
            turns.append(Turn(speaker=speaker, parts=[words], **fields))
        if appearing or line.speaker is None:
            cast.setdefault(NARRATOR, CastMember(name=NARRATOR, kind="narrator"))
        if line.speaker is not None:
            cast.setdefault(line.speaker, CastMember(name=line.speaker, kind=line.kind, character=line.card))
    return list(cast.values()), turns


def without_markup(text: str) -> str:
    """A text without Pango markup (`<i>`, `<span color=…>`), which only says how it is drawn."""
    return _MARKUP.sub("", text)


def _part(picture: Picture) -> Part:
    return Part(kind="image", media=picture.media, name=picture.name, text=picture.caption)
