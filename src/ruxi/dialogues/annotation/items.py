"""Which items of a dialogue an annotator is asked about, and how its answers are written into it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ruxi.dialogues.annotation.types import Annotator, Answer, Item
from ruxi.dialogues.emotions import TO_BASIC
from ruxi.dialogues.schema import Dialogue, Label, Part, Record, Turn, Word
from ruxi.files import sha256_of_bytes
from ruxi.media import Kind, Medium

Opener = Callable[[str, Kind], Medium]
"""Opens a medium by its SHA-256 and kind."""


class Target(NamedTuple):
    """Where an answer belongs: a turn, or one part of it."""

    turn: int
    part: int | None
    item: Item


def said_in(turn: Turn) -> str:
    """What is said in a turn: its written text, or else the transcript of its sound or video."""
    if turn.text.strip():
        return turn.text
    return "\n".join(part.text for part in turn.parts if part.kind in ("audio", "video") and part.text)


def targets(dialogue: Dialogue, annotator: Annotator, open_medium: Opener, overwrite: bool) -> Iterator[Target]:
    """What an annotator is asked about one dialogue: everything that it can label and that has no label yet."""
    for index, turn in enumerate(dialogue.turns):
        if annotator.fields & {"transcript", "labels"}:
            for number, part in enumerate(turn.parts):
                if part.media is not None and _lacks_medium_fields(part, annotator, overwrite):
                    yield Target(index, number, _medium_item(part.media, part, open_medium))
        if annotator.fields & {"emotion", "intent", "language"}:
            said = said_in(turn)
            if said.strip() and (overwrite or _lacks_turn_fields(turn, annotator)):
                yield Target(index, None, _turn_item(dialogue, index, said, annotator.context_turns))


def apply_answer(
    dialogue: Dialogue, target: Target, answer: Answer, annotator: Annotator, least: float, overwrite: bool
) -> int:
    """Write an answer into a dialogue; return how many fields it set.

    Every label goes with its source and confidence into `Turn.annotations` (or the part's own fields); the turn's
    `emotion` and `intent` are set when the confidence reaches `least` and nothing better stands there.
    """
    turn = dialogue.turns[target.turn]
    if target.part is not None:
        return _apply_to_part(turn.parts[target.part], answer, annotator, overwrite)
    set_fields = 0
    notes = [note for note in notes_of(turn) if note.get("source") != annotator.name]
    for field in ("emotion", "intent"):
        if field in answer and field in annotator.fields:
            name, score = answer[field]
            note = {"field": field, "name": name, "score": round(score, 4), "source": annotator.name}
            if field == "emotion":
                note["basic"] = TO_BASIC[name]
            notes.append(note)
            if score >= least and (overwrite or getattr(turn, field) is None):
                setattr(turn, field, name)
                set_fields += 1
    if "language" in answer and "language" in annotator.fields:
        code, score = answer["language"]
        if score >= least:
            for part in turn.parts:
                if part.text and part.kind != "image" and (overwrite or part.language is None):
                    part.language = code
                    set_fields += 1
    if notes:
        set_extra(turn, "annotations", notes)
    return set_fields


def notes_of(turn: Turn) -> list[dict[str, Any]]:
    """The opinions that are noted about a turn."""
    found = (turn.model_extra or {}).get("annotations")
    return [note for note in found if isinstance(note, dict)] if isinstance(found, list) else []


def set_extra(record: Record, name: str, value: Any) -> None:
    """Set a field that the schema does not name; it is stored like any other."""
    setattr(record, name, value)


def set_main_language(dialogue: Dialogue) -> None:
    """Name the dialogue's language after most of its turns, when nobody has."""
    codes = Counter(part.language for turn in dialogue.turns for part in turn.parts if part.language)
    if dialogue.language is None and codes:
        dialogue.language = codes.most_common(1)[0][0]


def _lacks_medium_fields(part: Part, annotator: Annotator, overwrite: bool) -> bool:
    if "transcript" in annotator.fields and part.kind in ("audio", "video") and (overwrite or not part.text):
        return True
    from_others = all(label.source != annotator.name for label in part.labels)
    return "labels" in annotator.fields and part.kind == "image" and (overwrite or from_others)


def _lacks_turn_fields(turn: Turn, annotator: Annotator) -> bool:
    lacks_language = "language" in annotator.fields and any(
        part.language is None for part in turn.parts if part.text and part.kind != "image"
    )
    return lacks_language or any(
        field in annotator.fields and getattr(turn, field) is None for field in ("emotion", "intent")
    )


def _medium_item(media: str, part: Part, open_medium: Opener) -> Item:
    kind: Kind = part.kind  # type: ignore[assignment]  # A part that has a medium is no text.
    return Item(key=f"{part.kind}:{media}", kind=kind, open=lambda: open_medium(media, kind))


def _turn_item(dialogue: Dialogue, index: int, said: str, context_turns: int) -> Item:
    before = dialogue.turns[max(0, index - context_turns) : index] if context_turns else []
    context = tuple((turn.speaker, said_in(turn)) for turn in before)
    speaker = dialogue.turns[index].speaker
    seen = json.dumps([said, speaker, context] if context_turns else said, ensure_ascii=False)
    return Item(sha256_of_bytes(seen.encode("utf-8", "surrogatepass")), said, speaker, context)


def _apply_to_part(part: Part, answer: Answer, annotator: Annotator, overwrite: bool) -> int:
    set_fields = 0
    if "transcript" in annotator.fields and "text" in answer and (overwrite or not part.text):
        shift = part.start or 0.0
        words = [Word.model_validate(word) for word in answer.get("words", [])]
        part.text = answer["text"]
        part.words = [
            word.model_copy(update={"start": round(word.start + shift, 3), "end": round(word.end + shift, 3)})
            for word in words
        ]
        part.language = part.language or (answer["language"][0] if "language" in answer else None)
        set_extra(part, "transcript_source", annotator.name)
        set_fields += 1
    if "labels" in annotator.fields and answer.get("labels"):
        labels = [Label.model_validate({**label, "source": annotator.name}) for label in answer["labels"]]
        part.labels = [label for label in part.labels if label.source != annotator.name] + labels
        set_fields += 1
    return set_fields
