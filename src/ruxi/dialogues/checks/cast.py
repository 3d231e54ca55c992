"""Speakers who are not in the cast, names that differ only in spelling, and dialogues in which no character speaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from ruxi.dialogues.checks.fault import Checked, Fault
from ruxi.errors import DataError

_USER_NAMES = frozenset({"user", "human", "player", "you", "{{user}}", "me", "用户", "我"})


class CastCheck:
    """Compares `Turn.speaker` with the cast, and the cast with the data set's character files.

    Args:
        folder: The data set, whose `characters/` the cast refers to.
    """

    name: ClassVar[str] = "cast"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, bool] = {}

    def look(self, record: Checked) -> Iterable[Fault]:
        """Faults of one dialogue's cast."""
        dialogue = record.dialogue
        names = [member.name for member in dialogue.cast]
        by_spelling = {_spelling(name): name for name in reversed(names)}
        reported: set[str] = set()
        for index, turn in enumerate(dialogue.turns):
            if turn.speaker in names:
                continue
            meant = by_spelling.get(_spelling(turn.speaker))
            if meant is not None:
                yield Fault(
                    self.name,
                    "error",
                    f"the speaker {turn.speaker!r} is spelled {meant!r} in the cast",
                    f"Write {meant!r}.",
                    turn=index,
                    repair="set_field",
                    value=[["turns", index, "speaker"], meant],
                )
            elif turn.speaker not in reported:
                reported.add(turn.speaker)
                kind = "user" if _spelling(turn.speaker) in _USER_NAMES else "character"
                yield Fault(
                    self.name,
                    "error",
                    f"the speaker {turn.speaker!r} is not in the cast",
                    "Add the speaker to the cast.",
                    turn=index,
                    repair="add_cast",
                    value={"name": turn.speaker, "kind": kind},
                )
        for name, count in Counter(names).items():
            if count > 1:
                yield Fault(self.name, "warning", f"the cast names {name!r} {count} times", "Keep one of them.")
        yield from self._characters(record)

    def finish(self) -> Iterable[Fault]:
        """Nothing: every fault of a cast shows in its own dialogue."""
        return ()

    def _characters(self, record: Checked) -> Iterable[Fault]:
        dialogue = record.dialogue
        speakers = {turn.speaker for turn in dialogue.turns}
        characters = {member.name for member in dialogue.cast if member.kind == "character"}
        if dialogue.cast and dialogue.turns and speakers <= {m.name for m in dialogue.cast} - characters:
            yield Fault(
                self.name,
                "warning",
                "no character speaks, so there is nothing to learn from",
                "Give a speaker the kind 'character' in the cast, or leave the dialogue out.",
            )
        for index, member in enumerate(dialogue.cast):
            if member.character is not None and not self._has_character(member.character):
                yield Fault(
                    self.name,
                    "error",
                    f"{member.name!r} refers to the character {member.character!r}, which is missing",
                    "Put its card into characters/, or take the reference out.",
                    repair="drop_field",
                    safe=False,
                    value=["cast", index, "character"],
                )

    def _has_character(self, identifier: str) -> bool:
        if identifier not in self._known:
            from ruxi.dialogues.store import character_path

            try:
                self._known[identifier] = character_path(self._folder, identifier).is_file()
            except DataError:
                self._known[identifier] = False
        return self._known[identifier]


def _spelling(name: str) -> str:
    return " ".join(name.split()).casefold()
