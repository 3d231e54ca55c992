"""Times that go backwards or that contradict each other on the dialogue's time axis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from ruxi.dialogues.checks.fault import Checked, Fault
from ruxi.dialogues.schema import Part, Turn

TOLERANCE = 0.05
"""Seconds by which rounding may move a time."""


class TimesCheck:
    """Looks at `start` and `end` of turns, parts and words.

    Turns may overlap (people interrupt each other), but they must begin in the order in which they stand.
    """

    name: ClassVar[str] = "times"

    def look(self, record: Checked) -> Iterable[Fault]:
        """Faults of one dialogue's times."""
        latest: float | None = None
        for index, turn in enumerate(record.dialogue.turns):
            if turn.start is not None:
                if latest is not None and turn.start < latest - TOLERANCE:
                    yield Fault(
                        self.name,
                        "error",
                        f"the turn begins at {turn.start:.2f} s, before the one that precedes it ({latest:.2f} s)",
                        "Correct the time or the order of the turns; `ruxi data align` finds times by sound.",
                        turn=index,
                        repair="clear_times",
                    )
                else:
                    latest = turn.start
            for number, part in enumerate(turn.parts):
                yield from self._part(index, turn, number, part)

    def finish(self) -> Iterable[Fault]:
        """Nothing: every fault of time shows in its own dialogue."""
        return ()

    def _part(self, index: int, turn: Turn, number: int, part: Part) -> Iterable[Fault]:
        # A medium may be longer than the turn that refers to it (one film, many turns), but not miss it altogether.
        misses = (turn.start is not None and part.end is not None and part.end < turn.start - TOLERANCE) or (
            turn.end is not None and part.start is not None and part.start > turn.end + TOLERANCE
        )
        if misses:
            yield Fault(
                self.name,
                "warning",
                f"the part ({_span(part)}) lies outside its turn ({_span(turn)})",
                "Correct the times; `ruxi data align` finds them by sound.",
                turn=index,
                part=number,
                repair="clear_times",
            )
        for before, word in zip(part.words, part.words[1:], strict=False):
            if word.start < before.start - TOLERANCE:
                yield Fault(
                    self.name,
                    "error",
                    f"the word {word.text!r} begins at {word.start:.2f} s, before {before.text!r}",
                    "Align the dialogue again with `ruxi data align`.",
                    turn=index,
                    part=number,
                    repair="drop_field",
                    value=["turns", index, "parts", number, "words"],
                )
                break
        for word in part.words:
            if word.end < word.start:
                yield Fault(
                    self.name,
                    "error",
                    f"the word {word.text!r} ends ({word.end:.2f} s) before it begins ({word.start:.2f} s)",
                    "Align the dialogue again with `ruxi data align`.",
                    turn=index,
                    part=number,
                    repair="drop_field",
                    value=["turns", index, "parts", number, "words"],
                )
                break


def _span(item: Turn | Part) -> str:
    return " to ".join("?" if time is None else f"{time:.2f} s" for time in (item.start, item.end))
