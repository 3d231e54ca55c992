"""Dialogue, Turn and Part: the one schema that importers write, training reads and the stage keeps.

Media are referred to by content hash, never by path: the folder of a data set or of a saved chat holds them
in a `MediaFolder`. What an extractor found in a medium (a transcript, labels) travels with the part as text,
so that a prompt can be built from the dialogue alone. Unknown fields survive a round trip.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ruxi.dialogues.emotions import EMOTIONS

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Score = Annotated[float, Field(ge=0, le=1)]
Split = Literal["train", "validation", "test"]
MediaKind = Literal["image", "audio", "video"]


class Record(BaseModel):
    """Base of everything stored as JSON: assignments are checked, unknown fields are kept."""

    model_config = ConfigDict(extra="allow", validate_assignment=True)

    def to_json(self) -> str:
        """One line of JSON without empty fields."""
        return self.model_dump_json(exclude_none=True, exclude_defaults=True)


class Label(Record):
    """Something that was recognised, with its confidence.

    Attributes:
        name: What was recognised, for example `"seashore"`.
        score: Confidence between 0 and 1.
        source: Who says so: an extractor's name, an annotator's name, or the data set.
    """

    name: str
    score: Score = 1.0
    source: str | None = None


class Word(Record):
    """One spoken word on the dialogue's time axis, in seconds."""

    text: str
    start: Seconds
    end: Seconds
    confidence: Score = 1.0


class Part(Record):
    """One piece of a turn: text, a picture, a sound or a video.

    Attributes:
        kind: What the part is.
        text: The text itself; for a sound or video its transcript; for a picture a caption, if there is one.
        media: SHA-256 of the medium's bytes; None for text, and for a medium that is known but absent.
        name: The medium's name where it came from, for a person; never a path to open.
        start: Where the part begins on the dialogue's time axis, in seconds.
        end: Where it ends; None when it has no duration or none is known.
        labels: What was recognised in it.
        words: The transcript's words with their times.
        language: BCP 47 code of the text or transcript.
        translations: The same text in other languages, by BCP 47 code.
    """

    kind: Literal["text", "image", "audio", "video"]
    text: str | None = None
    media: Sha256 | None = None
    name: str | None = None
    start: Seconds | None = None
    end: Seconds | None = None
    labels: list[Label] = Field(default_factory=list)
    words: list[Word] = Field(default_factory=list)
    language: str | None = None
    translations: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == "text" and self.text is None:
            raise ValueError("a text part needs 'text'")
        if self.kind == "text" and self.media is not None:
            raise ValueError("a text part has no 'media'")
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError(f"'end' ({self.end}) lies before 'start' ({self.start})")
        return self


class Turn(Record):
    """What one speaker says, shows and plays before the next one speaks.

    Attributes:
        speaker: Name of the speaker, as in the dialogue's cast.
        parts: Its pieces, in the order in which they are given.
        emotion: One of the 28 GoEmotions labels, or None when unknown.
        intent: What the speaker wants (see `ruxi.dialogues.intents`), or None when unknown.
        action: A stage direction, a sprite or a game event that comes with the turn.
        rating: How good the turn is in its role, between 0 and 1.
        start: Begin on the dialogue's time axis, in seconds.
        end: End on the dialogue's time axis, in seconds.
    """

    speaker: str
    parts: list[Part] = Field(default_factory=list)
    emotion: str | None = None
    intent: str | None = None
    action: str | None = None
    rating: Score | None = None
    start: Seconds | None = None
    end: Seconds | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.emotion is not None and self.emotion not in EMOTIONS:
            raise ValueError(f"'emotion' is {self.emotion!r}, not one of the 28 labels: {', '.join(EMOTIONS)}")
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError(f"'end' ({self.end}) lies before 'start' ({self.start})")
        return self

    @classmethod
    def of_text(cls, speaker: str, text: str, **fields: Any) -> Self:
        """A turn of one text part."""
        return cls(speaker=speaker, parts=[Part(kind="text", text=text)], **fields)

    @property
    def text(self) -> str:
        """The written words of the turn; transcripts and captions are not among them."""
        return "\n".join(part.text for part in self.parts if part.kind == "text" and part.text)

    @property
    def alternatives(self) -> list[str]:
        """What would be as right here, where the data set gives it in an extra field of this name."""
        found = (self.model_extra or {}).get("alternatives")
        return [text for text in found if isinstance(text, str) and text.strip()] if isinstance(found, list) else []


class CastMember(Record):
    """Who takes part in a dialogue.

    Attributes:
        name: The name used by `Turn.speaker`.
        kind: A `character` has a persona and can be learnt; a `user` is the person (or anybody) it talks
            with; a `narrator` tells what happens.
        character: Id of the character file in the data set's `characters/` folder, without ending.
    """

    name: str
    kind: Literal["character", "user", "narrator"] = "character"
    character: str | None = None


class Dialogue(Record):
    """A conversation with its cast, on one time axis.

    Attributes:
        id: Unique within its data set.
        cast: Everyone who speaks.
        scene: Where and when it happens, in a sentence or two.
        turns: In the order in which they were spoken.
        split: Part of the data that it belongs to.
        holdout: Reserved for tests: it can never be in a training or validation split.
        group: What splits must not divide: a campaign, film, game or actor.
        folds: Folds of a cross-validation in which it is validated on; in all others it is trained on.
        source: Name of the data set or program that it comes from.
        licence: SPDX id or the licence's name.
        language: BCP 47 code of the main language.
    """

    id: str
    cast: list[CastMember] = Field(default_factory=list)
    scene: str | None = None
    turns: list[Turn] = Field(default_factory=list)
    split: Split | None = None
    holdout: bool = False
    group: str | None = None
    folds: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list)
    source: str | None = None
    licence: str | None = None
    language: str | None = None

    @model_validator(mode="after")
    def _held_out(self) -> Self:
        if self.holdout and self.split in ("train", "validation"):
            raise ValueError(f"'split' is {self.split!r}, but the dialogue is held out for tests")
        return self
