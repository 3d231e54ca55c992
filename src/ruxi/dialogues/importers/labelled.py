"""Sets of single media with a label, all in the same form: a dialogue of one turn in which the user shows or plays it.

The class is the medium's label (`Part.labels`), spoken words are its transcript (`Part.text`), and an emotion is
the turn's. Words that answer to a picture, such as captions, are a second turn of a character.
"""

from __future__ import annotations

from typing import Any, Literal

from ruxi.dialogues.schema import CastMember, Dialogue, Label, Part, Split, Turn

USER = "User"


def shown(
    identifier: str,
    kind: Literal["image", "audio", "video"],
    media: str | None,
    *,
    name: str,
    label: str | None = None,
    label_source: str | None = None,
    transcript: str | None = None,
    emotion: str | None = None,
    split: Split | None = None,
    language: str | None = None,
    end: float | None = None,
    **fields: Any,
) -> Dialogue:
    """A dialogue in which the user shows or plays one medium.

    Args:
        identifier: The dialogue's id.
        kind: The kind of medium.
        media: Its SHA-256, or None when it is missing.
        name: Its name in the source.
        label: The class that it belongs to.
        label_source: Who says so.
        transcript: The words that are spoken in it.
        emotion: The emotion that it shows.
        split: Its part of the data.
        language: BCP 47 code of the words.
        end: Its length in seconds.
        **fields: Further fields of the dialogue.
    """
    part = Part(
        kind=kind,
        media=media,
        name=name,
        text=transcript,
        labels=[Label(name=label, source=label_source)] if label else [],
        start=None if end is None else 0.0,
        end=end,
        language=language if transcript else None,
    )
    turn = Turn(speaker=USER, parts=[part], emotion=emotion)
    cast = [CastMember(name=USER, kind="user")]
    return Dialogue(id=identifier, cast=cast, turns=[turn], split=split, language=language, **fields)
