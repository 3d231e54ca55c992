"""What a check says about a record, and what it needs to know of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from ruxi.dialogues.schema import Dialogue, Split

Severity = Literal["error", "warning", "hint"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "hint")

Repair = Literal[
    "drop_dialogue", "drop_turn", "drop_part", "drop_field", "set_field", "add_cast", "clear_times", "mask",
]  # fmt: skip
"""What `--fix` may do about a fault; see `ruxi.dialogues.checks.repairs`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, or that a person should look at.

    Attributes:
        check: Name of the check that found it.
        severity: `error` breaks training or a reader, `warning` harms results, `hint` may be right as it is.
        problem: What is wrong, with the offending value.
        remedy: What to do about it, as a sentence.
        turn: Index of the turn in the dialogue, from 0; None for the dialogue as a whole.
        part: Index of the part in the turn, from 0; None for the turn as a whole.
        repair: What `--fix` may do about it; None when only a person can decide.
        safe: Whether `--fix` does it unasked.
        value: What the repair needs: the path of a field, a field with its new value, a speaker's name.
        row: Number of the record, from 0 in reading order; filled in when the report stores the fault.
        file: Name of the file that holds it; filled in by the report.
        line: Its line, from 1; filled in by the report.
        dialogue: Id of the dialogue, if it can be read; filled in by the report.
    """

    check: str
    severity: Severity
    problem: str
    remedy: str
    turn: int | None = None
    part: int | None = None
    repair: Repair | None = None
    safe: bool = True
    value: Any = None
    row: int | None = None
    file: str | None = None
    line: int | None = None
    dialogue: str | None = None

    @property
    def place(self) -> str:
        """Where it is, for a person: `dialogues.jsonl:12, dialogue 'd12', turn 3`."""
        place = f"{self.file}:{self.line}" if self.line else (self.file or "the data set")
        if self.dialogue is not None:
            place += f", dialogue {self.dialogue!r}"
        if self.turn is not None:
            place += f", turn {self.turn}"
        if self.part is not None:
            place += f", part {self.part}"
        return place


@dataclass(frozen=True, slots=True)
class Checked:
    """A readable record on its way through the checks.

    Attributes:
        row: Number of the record, from 0 in reading order.
        dialogue: What it says.
        turn_words: The written words of each turn in lower case, computed once for every check that compares texts;
            a character of a script without spaces counts as a word.
    """

    row: int
    dialogue: Dialogue
    turn_words: list[list[str]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record lies: its row, file, line, id and split."""

    row: int
    file: str
    line: int
    dialogue: str | None
    split: Split | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line} ({self.dialogue!r})"


class Check(Protocol):
    """One kind of fault to look for; a check sees every record once, in order."""

    name: ClassVar[str]

    def look(self, record: Checked) -> Iterable[Fault]:
        """The faults that the record shows by itself; the check may remember what it needs for `finish`."""
        ...

    def finish(self) -> Iterable[Fault]:
        """The faults that show once everything has been seen; each names its `row`."""
        ...
