"""Dialogues with speech in other forms: written out, for a teacher that reads what is heard; and as dictation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ruxi.characters import Character
from ruxi.dialogues import CastMember, Dialogue, Part, Turn

LISTENER = Character(name="Listener", system_prompt="You listen to {{user}} and write down every word.")
"""Who writes down what is said."""


def written_out(dialogue: Dialogue, speaker: str, transcript: Callable[[Part], str | None]) -> Dialogue | None:
    """The dialogue with the words of what others play to a character in the place of the sounds.

    Args:
        dialogue: The dialogue.
        speaker: The character.
        transcript: The words of a sound, or None.

    Returns:
        None when there is no sound, or when the words of one are not known.
    """
    turns, sounds = [], 0
    for turn in dialogue.turns:
        parts = []
        for part in turn.parts:
            if part.kind == "audio" and part.media is not None:
                words = transcript(part) if turn.speaker != speaker else None
                if not words:
                    return None
                sounds += 1
                part = Part(kind="text", text=words)
            parts.append(part)
        turns.append(turn.model_copy(update={"parts": parts}))
    return dialogue.model_copy(update={"turns": turns}) if sounds else None


def dictations(dialogue: Dialogue) -> Iterator[Dialogue]:
    """For each sound of a dialogue whose transcript is known, one in which the listener writes it down."""
    for number, turn in enumerate(dialogue.turns):
        for part in turn.parts:
            if part.kind == "audio" and part.media is not None and part.text:
                played = Turn(speaker=turn.speaker, parts=[part])
                heard = Turn.of_text(LISTENER.name, part.text)
                cast = [CastMember(name=turn.speaker, kind="user"), CastMember(name=LISTENER.name)]
                update = {"id": f"{dialogue.id}:{number}:{part.media[:8]}", "cast": cast, "turns": [played, heard]}
                yield dialogue.model_copy(update={**update, "scene": None})
