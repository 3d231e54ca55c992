"""A prompt as the decoder reads it: position by position, in sections, with the media that stand among the tokens.

Without guidance there is one section. With guidance, what the user wants and feels is read at the end of his turn, and
the tokens of the reply are read with the guidance made of it; only what lies before can be kept for the next turn,
because then these tokens are history and no guidance is for them. With prefix fusion, media stand before the first
token of their turn and take positions; the ids there are negative and made of what they show, so that a beginning is
the same only if its tokens and its media are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ruxi.features import STREAM_OF_KIND
from ruxi.prompt import PERSONA_TURN, Prompt
from ruxi.runtime.onnx.bundle import Bundle
from ruxi.runtime.protocol import Media

Integers = npt.NDArray[np.int64]

MediaKey = tuple[tuple[int, str, str], ...]
"""Turn, kind and digest of every medium that can be attended to."""

GUIDANCE_TOKENS = 4
"""Tokens of one reply's guidance; with prefix fusion the positions before the reply have the ids -1 to -4."""

_MOST_TOKENS = 64
"""Of one medium."""


@dataclass(frozen=True)
class Place:
    """A medium of a prompt.

    Attributes:
        stream: The stream that it feeds.
        media: Its digest.
        turn: Its turn.
    """

    stream: str
    media: str
    turn: int


@dataclass(frozen=True)
class Layout:
    """A prompt for the decoder.

    Attributes:
        ids: Token at each position; negative where media or guidance stand.
        turns: Turn of each.
        starts: First position of each section.
        text: Position of each token of the prompt.
        media: What can be attended to.
        places: The media, in the order in which they stand or appear.
        latest: Positions that may be taken over from an earlier prompt.
        persona: The tokens of the persona.
        emotion: The emotion that the reply should carry.
    """

    ids: Integers
    turns: Integers
    starts: tuple[int, ...]
    text: Integers
    media: MediaKey
    places: tuple[Place, ...]
    latest: int
    persona: tuple[int, ...]
    emotion: str | None

    @property
    def guided(self) -> bool:
        """Whether a part of it is read with guidance."""
        return len(self.starts) > 1


def lay_out(
    prompt: Prompt, media: Media, bundle: Bundle, *, guided_turns: Sequence[int], reread_from: int | None = None
) -> Layout:
    """Lay a prompt out for the decoder.

    Args:
        prompt: The prompt.
        media: Features of its media; media without features are left out.
        bundle: The model.
        guided_turns: The character's turns that are read with guidance, in order.
        reread_from: Index of the first token that has to be read anew; None for the last one.
    """
    config = bundle.config
    used = config.fusion.kind != "none" or config.guidance is not None
    slots = [slot for slot in prompt.slots if used and slot.media in media]
    known = [slot for slot in slots if STREAM_OF_KIND[slot.kind] in config.modalities]
    places = [Place(STREAM_OF_KIND[slot.kind], slot.media, slot.turn) for slot in known]
    ids, turns = np.array(prompt.input_ids, np.int64), np.array(prompt.turn_ids, np.int64)
    starts = np.zeros(1, np.int64)
    persona: tuple[int, ...] = ()
    if config.guidance is not None:
        guided = [start for turn in guided_turns if (start := prompt.turn_ids.index(turn)) > 0]
        starts = np.array([0, *guided])
        persona = tuple(ids[turns == PERSONA_TURN].tolist())
    text = np.arange(len(ids))
    if bundle.is_prefix:
        places = _in_standing_order(places, turns)
        inserted = [
            *((int(np.searchsorted(turns, place.turn)), id) for place in places for id in _ids_of(place, bundle)),
            *((int(start), -1 - index) for start in starts[1:] for index in range(GUIDANCE_TOKENS)),
        ]
        inserted.sort(key=lambda pair: pair[0])
        at = np.array([index for index, _ in inserted], np.int64)
        ids = np.insert(ids, at, [id for _, id in inserted])
        turns = np.insert(turns, at, turns[at])
        text += np.searchsorted(at, text, side="right")
        starts += np.searchsorted(at, starts)
    latest = int(starts[1] if len(starts) > 1 else len(ids)) - 1
    if reread_from is not None:
        latest = min(latest, int(text[reread_from]))
    key = () if bundle.is_prefix else tuple((slot.turn, slot.kind, slot.media) for slot in slots)
    return Layout(ids, turns, tuple(starts.tolist()), text, key, tuple(places), max(latest, 0), persona, prompt.emotion)


def common_beginning(ids: Integers, turns: Integers, media: MediaKey, layout: Layout) -> int:
    """How many positions of a prompt are the same in what was read, and may be taken over.

    Args:
        ids: What was read, as in a `Layout`.
        turns: Turn of each position.
        media: What it could attend to.
        layout: The prompt.
    """
    most = min(len(ids), layout.latest)
    different = (ids[:most] != layout.ids[:most]) | (turns[:most] != layout.turns[:most])
    common = int(different.argmax()) if different.any() else most
    changed = {turn for turn, _, _ in set(media) ^ set(layout.media)}
    return min(common, int(np.searchsorted(layout.turns[:common], min(changed)))) if changed else common


def _in_standing_order(places: Sequence[Place], turns: Integers) -> list[Place]:
    """Before one token, media stand by stream, the stream that appeared first in front."""
    streams = list(dict.fromkeys(place.stream for place in places))
    return sorted(places, key=lambda place: (int(np.searchsorted(turns, place.turn)), streams.index(place.stream)))


def _ids_of(place: Place, bundle: Bundle) -> Iterator[int]:
    digest = hashlib.sha256(f"{place.stream} {place.media}".encode()).digest()
    base = (1 + int.from_bytes(digest[:7], "big")) * _MOST_TOKENS
    for index in range(bundle.config.modalities[place.stream].tokens):
        yield -(base + index)
