"""What an exporter is, and how it names what its target cannot hold.

Each exporter lists the fields that its target holds. Every other field that a dialogue fills is counted by name, so
that a field which the schema gains later is named too. Exporters register under `ruxi.exporters`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from ruxi.dialogues.schema import Dialogue, Part, Record
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import MediaError


@dataclass
class ExportReport:
    """What an export did.

    Attributes:
        dialogues: Number of dialogues written.
        media: Number of media written.
        lost: How often something could not be held, by name.
        unreadable: Lines of the data set that could not be read.
    """

    dialogues: int = 0
    media: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)


class ExportOptions(BaseModel):
    """Options of an exporter; subclasses add fields, whose docstrings are the help text."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Exporter(ABC):
    """Writes a data set in the form of another tool.

    Attributes:
        name: What the user types.
        summary: One line about the target.
        holds: Fields that the target holds: `dialogue.id`, `turn.emotion`, `part.labels`, `cast.kind`; a kind of
            part may have fields of its own, as `image.text`. `*` stands for everything.
        Options: The options that it takes.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    holds: ClassVar[frozenset[str]]
    Options: ClassVar[type[ExportOptions]] = ExportOptions

    def __init__(self, options: ExportOptions | None = None) -> None:
        self.options = options if options is not None else self.Options()

    @abstractmethod
    def write(self, data: DialogueSet, out: Path, report: ExportReport, progress: Callable[[int], None]) -> None:
        """Write the data set into an empty folder.

        Args:
            data: The data set.
            out: The folder.
            report: Counts what is written and what is lost.
            progress: Called with the number of dialogues so far.
        """

    def dialogues(self, data: DialogueSet, report: ExportReport, progress: Callable[[int], None]) -> Iterator[Dialogue]:
        """The readable dialogues of a set; counts them and what of them the target does not hold."""
        for record in data.records():
            if record.dialogue is None:
                report.unreadable.append(str(record.error))
                continue
            if "*" not in self.holds:
                report.lost.update(_not_held(record.dialogue, self.holds))
            yield record.dialogue
            report.dialogues += 1
            progress(report.dialogues)


def split_name(dialogue: Dialogue) -> str:
    """The file that a dialogue goes to: its split, `test` if it is held out, else `dialogues`."""
    return dialogue.split or ("test" if dialogue.holdout else "dialogues")


def medium_of(part: Part, data: DialogueSet, report: ExportReport) -> bytes | None:
    """The bytes of a part's medium; None, counted among the losses, when the data set lacks it."""
    if part.media is None:
        return None
    try:
        found: bytes = data.media.read(part.media)
    except MediaError:
        report.lost[f"{part.kind} that the data set itself lacks"] += 1
        return None
    report.media += 1
    return found


def _not_held(dialogue: Dialogue, holds: frozenset[str]) -> Iterator[str]:
    yield from _filled(dialogue, "dialogue", holds)
    for member in dialogue.cast:
        yield from _filled(member, "cast", holds)
    for turn in dialogue.turns:
        yield from _filled(turn, "turn", holds)
        for part in turn.parts:
            for name in _filled(part, "part", frozenset()):
                fieldname = name.removeprefix("part.")
                if name not in holds and f"{part.kind}.{fieldname}" not in holds:
                    yield f"{part.kind}.{fieldname}"


def _filled(record: Record, kind: str, holds: frozenset[str]) -> Iterator[str]:
    given = record.model_dump(exclude_defaults=True, exclude_none=True)
    for name, value in given.items():
        if value not in ("", [], {}) and f"{kind}.{name}" not in holds:
            yield f"{kind}.{name}"
