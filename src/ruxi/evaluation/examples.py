"""Items as a person sees them: the picture, the dialogue, the candidates, and what the model made of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from ruxi import files
from ruxi.errors import MediaError
from ruxi.evaluation.data import EvaluationData
from ruxi.evaluation.task import Item, Record
from ruxi.media import open_image

_SIDE = 320
_LONGEST_TURN = 1500
_LONGEST_CANDIDATE = 500
_LONGEST_GLANCE = 110
_SHOWN_CANDIDATES = 5
_SHUFFLED = "shuffled"
_SWAPPED = {"right", _SHUFFLED}
"""Digests in the records of tasks that swap media: people want to see what they stand for."""

SCORES = {
    "pmi": "nats by which the dialogue makes it likelier",
    "likelihood": "mean log-likelihood of its tokens",
}
"""What candidates are ranked by, in this order."""


@dataclass(frozen=True)
class ShownMedium:
    """A picture or sound beside the page.

    Attributes:
        kind: `image`, `audio` or `video`.
        path: Relative to the page.
    """

    kind: str
    path: str


@dataclass(frozen=True)
class ShownTurn:
    """A turn of the dialogue.

    Attributes:
        speaker: Who speaks.
        text: What is said.
        media: What is shown or played.
        is_character: Whether it is the character under test.
    """

    speaker: str
    text: str
    media: tuple[ShownMedium, ...]
    is_character: bool


@dataclass(frozen=True)
class ShownCandidate:
    """A candidate with its scores.

    Attributes:
        text: Its words.
        is_gold: Whether it is the right one.
        is_chosen: Whether the model chose it.
        scores: Name and value.
    """

    text: str
    is_gold: bool
    is_chosen: bool
    scores: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Example:
    """One item on the page.

    Attributes:
        id: The item's.
        verdict: `right`, `wrong`, or empty where there is no such thing.
        speaker: The character that answers.
        glance: The beginning of what is said last.
        turns: Its dialogue.
        candidates: The best of what there was to choose from, and the true one, best first.
        others: The other candidates.
        shuffled: Media that stood in the place of the dialogue's own for comparison.
        facts: Other things to know, as name and value.
    """

    id: str
    verdict: str
    speaker: str
    glance: str
    turns: tuple[ShownTurn, ...]
    candidates: tuple[ShownCandidate, ...] = ()
    others: tuple[ShownCandidate, ...] = ()
    shuffled: tuple[ShownMedium, ...] = ()
    facts: tuple[tuple[str, str], ...] = field(default_factory=tuple)


class ExampleMaker:
    """Makes examples, with their media beside the page.

    Args:
        folder: The result folder.
        data: Where the media come from.
    """

    def __init__(self, folder: Path, data: EvaluationData) -> None:
        self._folder = folder
        self._data = data

    def make(self, item: Item, record: Record) -> Example:
        """One item and what became of it."""
        ranking = bool(item.candidates) and "chosen" in record.shown
        last = item.dialogue.turns[-1] if item.dialogue.turns else None
        hidden = last is not None and item.candidates and item.candidates[item.gold] == last.text
        turns = item.dialogue.turns[:-1] if ranking and hidden else item.dialogue.turns
        candidates = _candidates(record) if ranking else ()
        near = {index for index, one in enumerate(candidates) if index < _SHOWN_CANDIDATES or one.is_gold}
        kinds = [part.kind for turn in item.dialogue.turns for part in turn.parts if part.media]
        return Example(
            id=record.id,
            verdict=_verdict(record),
            speaker=item.speaker,
            glance=_cut(" ".join(turns[-1].text.split()), _LONGEST_GLANCE) if turns else "",
            turns=tuple(
                ShownTurn(
                    turn.speaker,
                    _cut(turn.text, _LONGEST_TURN),
                    self._media([(part.kind, part.media) for part in turn.parts if part.media]),
                    turn.speaker == item.speaker,
                )
                for turn in turns
            ),
            candidates=tuple(one for index, one in enumerate(candidates) if index in near),
            others=tuple(one for index, one in enumerate(candidates) if index not in near),
            shuffled=self._media(list(zip(kinds, record.shown.get(_SHUFFLED, ()), strict=False))),
            facts=_facts(record, ranking=ranking),
        )

    def _media(self, media: Sequence[tuple[str, str]]) -> tuple[ShownMedium, ...]:
        """Those of some media, by kind and SHA-256, that are there."""
        return tuple(shown for kind, sha256 in media if (shown := self._medium(kind, sha256)))

    def _medium(self, kind: str, sha256: str) -> ShownMedium | None:
        """A small copy of a picture, or a copy of a sound; None when it is gone."""
        try:
            original = self._data.media.path(sha256)
            if kind == "image":
                path = self._folder / "media" / f"{sha256}.jpg"
                if not path.is_file():
                    picture = Pillow.fromarray(open_image(original).pixels)
                    picture.thumbnail((_SIDE, _SIDE))
                    buffer = io.BytesIO()
                    picture.save(buffer, "JPEG", quality=80)
                    files.write_bytes(path, buffer.getvalue())
            else:
                path = self._folder / "media" / f"{sha256}{original.suffix}"
                if not path.is_file():
                    files.write_bytes(path, original.read_bytes())
        except (MediaError, OSError):
            return None
        return ShownMedium(kind, f"media/{path.name}")


def chosen_examples(records: Sequence[Record], most: int) -> list[Record]:
    """Some records, spread evenly over those that went right and those that went wrong."""
    groups = [[record for record in records if _verdict(record) == verdict] for verdict in ("wrong", "right", "")]
    filled = [group for group in groups if group]
    found: list[Record] = []
    for place, group in enumerate(filled):
        share = (most - len(found)) // (len(filled) - place)
        kept = min(share, len(group))
        found += [group[index * len(group) // kept] for index in range(kept)]
    return found


def _verdict(record: Record) -> str:
    values = record.values
    if "gold" in values and "predicted" in values:
        return "right" if values["gold"] == values["predicted"] else "wrong"
    for name in ("hits@1", "right beats shuffled", "kept over negated", "circular accuracy", "accuracy"):
        if values.get(name) is not None:
            return "right" if float(values[name] or 0) >= 1 else "wrong"
    return ""


def _candidates(record: Record) -> tuple[ShownCandidate, ...]:
    shown = record.shown
    names = [name for name in SCORES if isinstance(shown.get(name), list)]
    order = range(len(shown["candidates"]))
    if names:
        order = sorted(order, key=lambda place: -shown[names[0]][place])  # type: ignore[assignment]
    return tuple(
        ShownCandidate(
            _cut(str(shown["candidates"][place]), _LONGEST_CANDIDATE),
            place == shown["gold"],
            place == shown["chosen"],
            tuple((name, round(float(shown[name][place]), 3)) for name in names),
        )
        for place in order
    )


def _facts(record: Record, *, ranking: bool) -> tuple[tuple[str, str], ...]:
    hidden = {"candidates", "gold", "chosen", "tokens", *SCORES} if ranking else _SWAPPED
    facts: dict[str, Any] = {**record.values, **{k: v for k, v in record.shown.items() if k not in hidden}}
    return tuple((name, _as_text(value)) for name, value in facts.items() if value is not None)


def _as_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_as_text(found)}" for key, found in value.items())
    if isinstance(value, list):
        return ", ".join(_as_text(found) for found in value)
    return _cut(str(value), _LONGEST_TURN)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest].rstrip()}…"
