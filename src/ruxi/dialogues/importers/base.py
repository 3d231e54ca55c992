"""What an importer is, and what it is given to work with.

An importer turns one kind of source into dialogues. It drops nothing in silence: what it cannot use, or can use only
in part, it reports with file, line and remedy. Importers register under the entry-point group `ruxi.importers`; the
built-in ones use the same door.
"""

from __future__ import annotations

import hashlib
import os
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_json

from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.store import explain
from ruxi.errors import CardError, DataError, MediaError

if TYPE_CHECKING:
    from ruxi.characters import Character
    from ruxi.dialogues.writer import DatasetWriter

MediumKind = Literal["image", "audio", "video"]
ProblemKind = Literal[
    "unreadable",
    "empty",
    "missing medium",
    "broken medium",
    "missing character",
    "duplicate id",
    "unknown label",
    "not representable",
]
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a source that could not be taken over as it stands.

    Attributes:
        kind: What sort of problem it is, for counting.
        file: The file, relative to the source.
        line: Its line from 1, or None.
        problem: What is wrong.
        remedy: What to do about it.
        lost: Number of source records that are missing from the result because of it.
    """

    kind: ProblemKind
    file: str
    line: int | None
    problem: str
    remedy: str
    lost: int

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.problem.rstrip('.')}. {self.remedy}"


@dataclass
class ImportReport:
    """What an import did.

    Attributes:
        dialogues: Number of dialogues written.
        turns: Number of turns in them.
        characters: Number of character cards.
        media: Number of media files.
        languages: Dialogues by language.
        splits: Dialogues by split; `""` for none.
        with_media: Dialogues that hold at least one medium.
        problems: Number of problems by kind.
        lost: Number of source records that are missing from the result; each is among the problems.
        examples: The first few problems of each kind; all of them are in the data set's `problems.jsonl`.
        seconds: How long it took.
    """

    dialogues: int = 0
    turns: int = 0
    characters: int = 0
    media: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    with_media: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    examples: dict[str, list[Problem]] = field(default_factory=dict)
    seconds: float = 0.0


class ImportOptions(BaseModel):
    """Options of an importer; subclasses add fields, whose docstrings are the help text."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Importer(ABC):
    """Turns one kind of source into dialogues.

    Attributes:
        name: What the user types.
        summary: One line about the source.
        source: Where such data come from, for `dataset.json`.
        licence: Their licence, if it is always the same.
        Options: The options that it takes.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str | None] = None
    licence: ClassVar[str | None] = None
    Options: ClassVar[type[ImportOptions]] = ImportOptions

    def __init__(self, options: ImportOptions | None = None) -> None:
        self.options = options if options is not None else self.Options()

    @abstractmethod
    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the dialogues of a source.

        Args:
            source: A folder or file.
            context: Takes characters, media and problems.

        Raises:
            DataError: The source is not of this kind.
        """


class ImportContext:
    """What an importer is given: a place for characters and media, and somebody to report problems to.

    Args:
        root: The source's folder; names in the data are looked up in it and cannot lead out of it.
        writer: The data set that is being written.
        report: Counts what happens.
        problems: Open file that takes every problem as a line of JSON.
    """

    def __init__(self, root: Path, writer: DatasetWriter, report: ImportReport, problems: BinaryIO) -> None:
        self.root = root
        self._writer = writer
        self._report = report
        self._problems = problems
        self._media: dict[tuple[str, str], str] = {}
        self._characters: dict[str, str] = {}
        self._character_ids: set[str] = set()
        self._told: set[str] = set()

    def problem(
        self,
        kind: ProblemKind,
        problem: str,
        *,
        file: Path | str,
        line: int | None = None,
        remedy: str,
        lost: int = 0,
    ) -> None:
        """Report a problem; `lost` is the number of source records that are missing because of it."""
        found = Problem(kind, self._shown(file), line, problem, remedy, lost)
        self._report.problems[kind] += 1
        self._report.lost += lost
        examples = self._report.examples.setdefault(kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(found)
        self._problems.write(to_json(asdict(found), inf_nan_mode="null") + b"\n")

    @contextmanager
    def guard(self, file: Path | str, line: int | None = None) -> Iterator[None]:
        """Report a record that cannot be made into a dialogue instead of ending the import."""
        try:
            yield
        except ValidationError as error:
            problem, remedy = explain(error), "Correct the record in the source."
            self.problem("unreadable", problem, file=file, line=line, remedy=remedy, lost=1)
        except (DataError, CardError, MediaError) as error:
            remedy = error.remedy or "Correct the record in the source."
            self.problem("unreadable", error.problem, file=file, line=line, remedy=remedy, lost=1)

    def once(self, key: str) -> bool:
        """True the first time that it is asked about a key: for problems that would repeat on every line."""
        if key in self._told:
            return False
        self._told.add(key)
        return True

    def locate(self, name: str, root: Path | None = None) -> Path | None:
        """The file of this name inside the source (or another root); None if the name leads out or to nothing."""
        root = self.root if root is None else Path(os.path.abspath(root))
        for candidate in (name, name.replace("\\", "/")):
            if "\0" in candidate or len(candidate) > 1000:
                return None
            path = Path(os.path.normpath(root / candidate))
            try:
                if path.is_relative_to(root) and path.is_file():
                    return path
            except OSError:  # No file system has such a name.
                return None
        return None

    def medium(
        self,
        medium: str | bytes,
        kind: MediumKind,
        *,
        file: Path | str,
        line: int | None = None,
        root: Path | None = None,
        fetch: bool = False,
    ) -> str | None:
        """Take over a medium after it was decoded as a trial, or report why that is impossible.

        Args:
            medium: Name of a file inside the source, a data URL, or the bytes themselves.
            kind: What it must be.
            file: The file that refers to it, for the report.
            line: The line there.
            root: Another folder to look in than the source.
            fetch: Whether a web address may be fetched; without it, it counts as missing.

        Returns:
            Its SHA-256, or None when it is missing or broken.
        """
        given: str | bytes | Path = medium
        if isinstance(medium, str) and not medium.lower().startswith("data:"):
            if "://" in medium:
                if not fetch:
                    remedy = "Download it into the source's folder, or import with --set fetch=true."
                    problem = f"{medium[:200]!r} is on the web"
                    self.problem("missing medium", problem, file=file, line=line, remedy=remedy)
                    return None
            elif path := self.locate(medium, root):
                given = path
            else:
                remedy = "Put the file there, or import without it."
                problem = f"there is no {medium[:200]!r} in {(root or self.root).name}"
                self.problem("missing medium", problem, file=file, line=line, remedy=remedy)
                return None
        key = (kind, str(given) if isinstance(given, Path) else _digest(given))
        if key not in self._media:
            try:
                self._media[key] = _checked(self._writer, given, kind)
            except MediaError as error:
                remedy = error.remedy or "Replace the file."
                problem = f"{self._shown(given)}: {error.problem}" if isinstance(given, Path) else error.problem
                self.problem("broken medium", problem, file=file, line=line, remedy=remedy)
                return None
        return self._media[key]

    def character(self, key: str, character: Character) -> str:
        """Take over a character card once.

        Args:
            key: What identifies the character in the source, for example its name.
            character: The card.

        Returns:
            Its id in the data set: the key, made fit for a file name.
        """
        if key not in self._characters:
            identifier = _file_name(key)
            # Another character of this set, or of a source that was imported before, may have the name.
            if identifier.casefold() in self._character_ids or not self._writer.offers(identifier, character):
                identifier = f"{identifier[:100]}-{_digest(key + character.to_json())[:8]}"
            self._writer.add_character(identifier, character)
            self._character_ids.add(identifier.casefold())
            self._characters[key] = identifier
        return self._characters[key]

    def character_id(self, key: str) -> str | None:
        """The id of a character that was taken over, or None."""
        return self._characters.get(key)

    def _shown(self, file: Path | str) -> str:
        path = Path(file)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else path.name


def _checked(writer: DatasetWriter, medium: str | bytes | Path, kind: MediumKind) -> str:
    """Decode a picture or sound as a trial, so that a broken one is found now and not in training."""
    from ruxi.media import Limits, open_audio, open_image
    from ruxi.media.sniff import require
    from ruxi.media.sources import read_source

    original = read_source(medium, Limits())
    require(original.data, kind, original.source)
    if kind == "image":
        open_image(original.data)
    elif kind == "audio":
        open_audio(original.data)
    return writer.add_medium(original.data)


def _digest(value: str | bytes) -> str:
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return hashlib.sha256(data).hexdigest()


def _file_name(key: str) -> str:
    name = re.sub(r"[^\w .'()&,+-]", "_", key).strip(" ._'(&,+-)")[:110].rstrip(" .")
    return name or _digest(key)[:16]
