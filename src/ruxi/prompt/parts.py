"""The words of a turn: text as it is, media as what was recognised in them.

Pictures and sounds reach the model as features; beside them it reads a short description, which is what keeps a small
model honest about what it was shown.
"""

from __future__ import annotations

from ruxi.dialogues import Part, Turn

_NOUNS = {"image": "picture", "audio": "sound", "video": "video"}
_LABELS_NAMED = 3
_SURE_ENOUGH = 0.1


def words_of_part(part: Part, *, describe_media: bool) -> str:
    """The text that stands for one part.

    Args:
        part: The part.
        describe_media: Whether captions, labels and transcripts are named; otherwise only the kind of medium is.
    """
    if part.kind == "text":
        return part.text or ""
    noun = _NOUNS[part.kind]
    if not describe_media:
        return f"[{noun}]"
    if part.kind == "audio" and part.text:
        # What was said aloud counts as said; only how it sounded is set in brackets.
        return f"{part.text} [voice: {_names(part)}]" if part.labels else part.text
    seen = _names(part)
    if part.kind == "video" and part.text:
        return f"[{noun}: {seen}] {part.text}" if seen else f"[{noun}] {part.text}"
    described = part.text or seen
    return f"[{noun}: {described}]" if described else f"[{noun}]"


def pieces_of_turn(turn: Turn, *, describe_media: bool) -> list[tuple[str, Part | None]]:
    """The texts of a whole turn, each with its medium: media first, then words, then the action between asterisks."""
    media = [part for part in turn.parts if part.kind != "text"]
    text = [part for part in turn.parts if part.kind == "text"]
    pieces: list[tuple[str, Part | None]] = [
        *((words_of_part(part, describe_media=describe_media), part) for part in media),
        *((words_of_part(part, describe_media=describe_media), None) for part in text),
    ]
    if turn.action:
        pieces.append((f"*{turn.action}*", None))
    return [(words, part) for words, part in pieces if words]


def words_of_turn(turn: Turn, *, describe_media: bool) -> str:
    """The text of a whole turn, a line for each of its pieces."""
    return "\n".join(words for words, _ in pieces_of_turn(turn, describe_media=describe_media))


def _names(part: Part) -> str:
    sure = [label.name for label in part.labels if label.score >= _SURE_ENOUGH] or [
        label.name for label in part.labels[:1]
    ]
    return ", ".join(sure[:_LABELS_NAMED])
