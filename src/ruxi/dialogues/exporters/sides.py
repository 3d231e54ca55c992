"""People made into roles: who is the assistant, and what its system message says."""

from __future__ import annotations

from ruxi.dialogues.exporters.base import ExportOptions, ExportReport
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import RuxiError


class RoleOptions(ExportOptions):
    """Options of exporters that know a user and an assistant only."""

    character: str | None = None
    """Who is the assistant; by default the first character of the cast that speaks."""


def assistant_of(dialogue: Dialogue, wanted: str | None) -> str | None:
    """The name of the speaker who becomes the assistant; None when no character speaks."""
    speaking = {turn.speaker for turn in dialogue.turns}
    characters = [member.name for member in dialogue.cast if member.kind == "character" and member.name in speaking]
    return wanted if wanted in speaking else next(iter(characters), None)


def system_message(dialogue: Dialogue, assistant: str | None, data: DialogueSet, report: ExportReport) -> str | None:
    """Description, personality and scenario of the assistant's card and the dialogue's scene, as one text."""
    pieces: list[str] = []
    identifier = next((member.character for member in dialogue.cast if member.name == assistant), None)
    if identifier is not None:
        try:
            card = data.character(identifier)
        except RuxiError:
            report.lost["characters that the data set itself lacks"] += 1
        else:
            pieces += [card.description, card.personality, card.scenario]
            others = card.model_dump(exclude_defaults=True, exclude={"name", "description", "personality", "scenario"})
            report.lost.update(f"character.{name}" for name, value in others.items() if value)
    pieces.append(dialogue.scene or "")
    return "\n\n".join(piece for piece in pieces if piece.strip()) or None
