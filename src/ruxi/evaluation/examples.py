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
        turns: Its dialogue.
        candidates: What there was to choose from, best first.
        facts: Other things to know, as name and value.
    """

    id: str
    verdict: str
    turns: tuple[ShownTurn, ...]
    candidates: tuple[ShownCandidate, ...] = ()
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
        return Example(
            id=record.id,
            verdict=_verdict(record),
            turns=tuple(
                ShownTurn(
                    turn.speaker,
                    turn.text[:_LONGEST_TURN],
                    tuple(
                        shown for part in turn.parts if part.media and (shown := self._medium(part.kind, part.media))
                    ),
                    turn.speaker == item.speaker,
                )
                for turn in turns
            ),
            candidates=_candidates(record) if ranking else (),
            facts=_facts(record, ranking=ranking),
        )

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
        step = max(1, -(-len(group) // max(share, 1)))
        found += group[::step][:share]
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
    names = [name for name in ("pmi", "likelihood", "scores") if isinstance(shown.get(name), list)]
    order = range(len(shown["candidates"]))
    if names:
        order = sorted(order, key=lambda place: -shown[names[0]][place])  # type: ignore[assignment]
    return tuple(
        ShownCandidate(
            str(shown["candidates"][place])[:_LONGEST_TURN],
            place == shown["gold"],
            place == shown["chosen"],
            tuple((name, round(float(shown[name][place]), 3)) for name in names),
        )
        for place in order
    )


def _facts(record: Record, *, ranking: bool) -> tuple[tuple[str, str], ...]:
    hidden = {"candidates", "gold", "chosen", "pmi", "likelihood", "tokens"} if ranking else set()
    facts: dict[str, Any] = {**record.values, **{k: v for k, v in record.shown.items() if k not in hidden}}
    return tuple((name, _as_text(value)) for name, value in facts.items() if value is not None)


def _as_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_as_text(found)}" for key, found in value.items())
    if isinstance(value, list):
        return ", ".join(_as_text(found) for found in value)
    return str(value)[:_LONGEST_TURN]
