"""Alignments written into dialogues: times, words with confidence, and what could not be aligned.

`Turn.alignment` says how a turn's times were found, `Dialogue.alignment` how its text ran against the sound.
"""

from __future__ import annotations

from typing import Any

from ruxi.dialogues.alignment.align import Aligned, Alignment
from ruxi.dialogues.alignment.matching import shown_words
from ruxi.dialogues.alignment.sounds import Share
from ruxi.dialogues.schema import Dialogue, Part, Turn, Word


def with_turn(turn: Turn, aligned: Aligned, shift: float) -> Turn:
    """A turn with its times.

    Args:
        turn: The turn.
        aligned: Its alignment in seconds of the sound.
        shift: Where the sound begins on the dialogue's time axis, in seconds.
    """
    record: dict[str, Any] = {"method": aligned.method, "confidence": aligned.confidence}
    if turn.start is not None and "alignment" not in (turn.model_extra or {}):
        record |= {"text_start": turn.start, "text_end": turn.end}
    times: dict[str, Any] = {"start": None, "end": None}
    if aligned.start is not None and aligned.end is not None:
        times = {"start": round(aligned.start + shift, 3), "end": round(aligned.end + shift, 3)}
    words = [
        word.model_copy(update={"start": round(word.start + shift, 3), "end": round(word.end + shift, 3)})
        for word in aligned.words
    ]
    return turn.model_copy(update={"parts": _with_words(turn.parts, words), "alignment": record, **times})


def with_clock(dialogue: Dialogue, share: Share, alignment: Alignment, transcriber: str) -> Dialogue:
    """A dialogue with the offset and drift of its text against the sound."""
    record: dict[str, Any] = {"media": share.media, "transcriber": transcriber}
    if alignment.clock is not None:
        clock = alignment.clock
        record |= {
            "offset": round(clock.offset, 3),
            "drift": round(clock.drift, 6),
            "spread": round(clock.spread, 3),
            "agreeing": round(clock.agreeing, 3),
        }
    return dialogue.model_copy(update={"alignment": record})


def _with_words(parts: list[Part], words: list[Word]) -> list[Part]:
    """The words given to the parts whose text they come from, in order."""
    spoken = [part for part in parts if part.kind == "text" and part.text and part.text.strip()]
    spoken = spoken or [part for part in parts if part.kind in ("audio", "video") and part.text]
    left = list(words)
    found: dict[int, dict[str, Any]] = {}
    for part in spoken:
        count = len(shown_words(part.text or ""))
        own, left = left[:count], left[count:]
        found[id(part)] = {"words": own}
        if part.kind == "text":  # A sound keeps its own place; a text stands where its words are spoken.
            found[id(part)] |= {"start": own[0].start if own else None, "end": own[-1].end if own else None}
    return [part.model_copy(update=found[id(part)]) if id(part) in found else part for part in parts]
