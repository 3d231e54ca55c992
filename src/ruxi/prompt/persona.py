"""The words that make a character: persona before the history, a short note after it.

The order follows what card authors expect: the card's own system prompt (or ours), description, personality,
scenario, then example lines. Macros are expanded here and nowhere else.
"""

from __future__ import annotations

from ruxi.characters import Character
from ruxi.characters.macros import expand
from ruxi.dialogues import Dialogue

SYSTEM_PROMPT = (
    "You are {{char}}. Stay in this role. Speak as {{char}} to {{user}}, in your own voice and from what you know. "
    "What {{user}} shows or plays to you stands in [brackets]."
)


def persona_words(character: Character, dialogue: Dialogue, user: str) -> str:
    """The system message: who the character is and where the scene is set.

    Args:
        character: The character.
        dialogue: Its `scene` is added after the card's scenario.
        user: The name for `{{user}}`.
    """
    system = _expand(character.system_prompt, character, user, original=SYSTEM_PROMPT) or _expand(
        SYSTEM_PROMPT, character, user
    )
    sections = [system, _expand(character.description, character, user)]
    for title, text in (
        ("Personality", character.personality),
        ("Scenario", character.scenario),
        ("Scene", dialogue.scene or ""),
    ):
        words = _expand(text, character, user)
        if words:
            sections.append(f"{title}: {words}")
    examples = character.example_dialogues(user)
    if examples:
        lines = ["\n".join(f"{name}: {words}" for name, words in example) for example in examples]
        sections.append("Examples of how {} speaks:\n{}".format(character.call_name, "\n\n".join(lines)))
    return "\n\n".join(section for section in sections if section)


def note_words(character: Character, user: str, emotion: str | None) -> str:
    """The note between the history and the reply: the card's own, and the emotion that is wanted."""
    note = _expand(character.post_history_instructions, character, user, original="")
    if emotion is not None:
        note = f"{note}\n{character.call_name} feels {emotion} now.".strip()
    return note


def _expand(text: str, character: Character, user: str, original: str | None = None) -> str:
    return expand(text, char=character.call_name, user=user, original=original).strip() if text else ""
