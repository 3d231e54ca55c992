"""Dialogues without turns, turns without content, turns that stand there twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from ruxi.dialogues.checks.fault import Checked, Fault
from ruxi.dialogues.schema import Part, Turn

_LOOP = 3
_LONG = 4
"""Words from which a repeated turn is no longer ordinary speech ("No.", "No.")."""


class TurnsCheck:
    """Looks at the turns of each dialogue."""

    name: ClassVar[str] = "turns"

    def look(self, record: Checked) -> Iterable[Fault]:
        """Faults of one dialogue's turns."""
        turns = record.dialogue.turns
        if not turns:
            yield Fault(
                self.name,
                "error",
                "the dialogue has no turns",
                "Remove it or import it again.",
                repair="drop_dialogue",
            )
        for index, turn in enumerate(turns):
            if _is_empty(turn):
                yield Fault(
                    self.name,
                    "error",
                    f"the turn of {turn.speaker!r} is empty",
                    "Remove the turn.",
                    turn=index,
                    repair="drop_turn",
                )
                continue
            for number, part in enumerate(turn.parts):
                if _says_nothing(part):
                    yield Fault(
                        self.name,
                        "warning",
                        f"the {part.kind} part is empty",
                        "Remove the part.",
                        turn=index,
                        part=number,
                        repair="drop_part",
                    )
            if index and _same(turns[index - 1], turn, record.turn_words[index]):
                yield Fault(
                    self.name,
                    "warning",
                    f"{turn.speaker!r} says the same as in the turn before: {_short(turn)}",
                    "Remove one of the two turns.",
                    turn=index,
                    repair="drop_turn",
                )
        yield from self._loops(turns, record.turn_words)

    def finish(self) -> Iterable[Fault]:
        """Nothing: every fault of a turn shows in its own dialogue."""
        return ()

    def _loops(self, turns: list[Turn], turn_words: list[list[str]]) -> Iterable[Fault]:
        said: dict[tuple[str, str], list[int]] = {}
        for index, turn in enumerate(turns):
            if len(turn_words[index]) >= _LONG:
                said.setdefault((turn.speaker, turn.text.strip()), []).append(index)
        for (speaker, _), places in said.items():
            if len(places) >= _LOOP:
                yield Fault(
                    self.name,
                    "hint",
                    f"{speaker!r} says the same {len(places)} times: {_short(turns[places[0]])}",
                    "Look whether the dialogue runs in a circle.",
                    turn=places[1],
                )


def _says_nothing(part: Part) -> bool:
    # An absent medium with a name still says that something was shown.
    return part.media is None and not (part.text and part.text.strip()) and not part.labels and not part.name


def _is_empty(turn: Turn) -> bool:
    return all(_says_nothing(part) for part in turn.parts) and not turn.action


def _same(before: Turn, turn: Turn, words: list[str]) -> bool:
    if before.speaker != turn.speaker or before.text.strip() != turn.text.strip():
        return False
    media = [part.media for part in turn.parts if part.media]
    if media != [part.media for part in before.parts if part.media]:
        return False
    # The same words at another time are spoken twice; the same record twice has the same times or none.
    if turn.start is not None and turn.start != before.start:
        return False
    return bool(media) or len(words) >= _LONG


def _short(turn: Turn) -> str:
    text = " ".join(turn.text.split())
    return repr(text if len(text) <= 60 else text[:57] + "...")
