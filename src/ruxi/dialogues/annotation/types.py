"""What annotators take and give: one small protocol for rules, classifiers, extractors and remote models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ruxi.dialogues.schema import Label, Word
from ruxi.media import Medium

Field = Literal["transcript", "language", "labels", "intent", "emotion"]
FIELDS: tuple[Field, ...] = ("transcript", "labels", "language", "intent", "emotion")
"""In the order in which they are made: what is heard and seen first, what follows from it afterwards."""

Answer = dict[str, Any]
"""What an annotator found, as JSON: `emotion` and `intent` are `[name, score]`, `language` is `[code, score]`, `text`
is a transcript, `words` and `labels` are lists of `Word` and `Label` as JSON."""


@dataclass(frozen=True)
class Item:
    """Something to annotate: a turn, or a medium.

    Attributes:
        key: Digest of everything that the answer may depend on.
        text: What is said in the turn, written or heard; `""` for a medium.
        speaker: Who says it.
        context: Speaker and text of the turns before it, oldest first.
        kind: `text` for a turn, otherwise the medium's kind.
        open: Opens the medium; None for a turn.
    """

    key: str
    text: str = ""
    speaker: str = ""
    context: tuple[tuple[str, str], ...] = ()
    kind: str = "text"
    open: Callable[[], Medium] | None = None


class Annotator(Protocol):
    """Something that annotates.

    Attributes:
        name: What labels name as their source.
        version: Changes whenever the same item would get another answer.
        fields: What it annotates.
        context_turns: How many turns before a turn it looks at.
        batch: How many items it takes at once.
    """

    name: str
    version: str
    fields: frozenset[Field]
    context_turns: int
    batch: int

    def annotate(self, items: Sequence[Item]) -> Sequence[Answer | None]:
        """Answers in the order of the items; None where there is none, now or ever."""
        ...


class FeatureLike(Protocol):
    """What an extractor finds; `ruxi.features.FeatureSequence` is one."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """What was recognised, best first."""
        ...

    @property
    def text(self) -> str | None:
        """The transcript."""
        ...

    @property
    def words(self) -> tuple[Word, ...]:
        """Its words, in seconds from the medium's own start."""
        ...

    @property
    def language(self) -> str | None:
        """BCP 47 code of what is spoken."""
        ...

    @property
    def language_probability(self) -> float | None:
        """How sure that is, between 0 and 1."""
        ...


class ExtractorLike(Protocol):
    """An extractor of the room above; `ruxi.features.Extractor` is one."""

    name: str
    version: str
    modality: str

    def extract(self, medium: Medium) -> FeatureLike:
        """Look at or listen to one medium."""
        ...
