"""Annotation of a whole data set: streamed, in batches, every answer on disk before the next is asked for.

The annotated set appears when everything is done. A run that was stopped, even by kill -9, is started again by the same
command and asks nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ruxi.dialogues.annotation.cache import AnswerCache
from ruxi.dialogues.annotation.items import Target, apply_answer, set_main_language, targets
from ruxi.dialogues.annotation.types import Annotator, Answer
from ruxi.dialogues.copying import copy_set, writer_like
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.store import DialogueSet
from ruxi.media import Kind, Medium, open_medium

_CHUNK = 256
"""Dialogues that are in memory at once."""


@dataclass
class AnnotationReport:
    """What an annotation did.

    Attributes:
        dialogues: Number of dialogues.
        asked: Items that each annotator was asked about now.
        cached: Items whose answer was known.
        unanswered: Items without an answer (a medium that cannot be opened, a text too short to tell).
        set_fields: Fields that were filled in, by annotator.
    """

    dialogues: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    cached: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    set_fields: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "dialogues": self.dialogues,
            "asked": dict(self.asked),
            "cached": dict(self.cached),
            "unanswered": dict(self.unanswered),
            "set_fields": dict(self.set_fields),
        }


class SetAnnotator:
    """Annotates the dialogues of a data set.

    Args:
        source: The data set.
        annotators: In the order in which they work: what hears first, what reads transcripts after it.
        cache: Where answers are kept.
        least: Confidence from which a label becomes the turn's; every label is noted in any case.
        overwrite: Also replace labels that stand there.
    """

    def __init__(
        self,
        source: DialogueSet,
        annotators: Sequence[Annotator],
        cache: AnswerCache,
        *,
        least: float = 0.0,
        overwrite: bool = False,
    ) -> None:
        self._source = source
        self._annotators = annotators
        self._cache = cache
        self._least = least
        self._overwrite = overwrite
        self.report = AnnotationReport()

    def run(self, out: Path, on_progress: Callable[[int], None] = lambda count: None) -> AnnotationReport:
        """Write the annotated data set.

        Args:
            out: Folder of the new data set; it must not exist or be empty.
            on_progress: Called with the number of dialogues so far.

        Raises:
            DataError: The source cannot be read or the target not be written.
        """
        with writer_like(self._source, out) as writer:
            copier = copy_set(self._source, writer)
            for chunk in self._chunks():
                for annotator in self._annotators:
                    self._annotate(chunk, annotator)
                for dialogue in chunk:
                    set_main_language(dialogue)
                    copier.add(dialogue)
                self.report.dialogues += len(chunk)
                on_progress(self.report.dialogues)
        return self.report

    def open_questions(self, annotator: Annotator) -> Iterator[Target]:
        """The items that an annotator would be asked about now, for an estimate of their cost."""
        seen: set[str] = set()
        for chunk in self._chunks():
            found = [target for dialogue in chunk for target in self._targets(dialogue, annotator)]
            known = self._cache.get(annotator, [target.item.key for target in found])
            for target in found:
                if target.item.key not in known and target.item.key not in seen:
                    seen.add(target.item.key)
                    yield target

    def _chunks(self) -> Iterator[list[Dialogue]]:
        dialogues = iter(self._source)
        while chunk := list(islice(dialogues, _CHUNK)):
            yield chunk

    def _targets(self, dialogue: Dialogue, annotator: Annotator) -> Iterator[Target]:
        return targets(dialogue, annotator, self._open, self._overwrite)

    def _annotate(self, chunk: list[Dialogue], annotator: Annotator) -> None:
        found = [(dialogue, target) for dialogue in chunk for target in self._targets(dialogue, annotator)]
        known = self._cache.get(annotator, [target.item.key for _, target in found])
        self.report.cached[annotator.name] += sum(target.item.key in known for _, target in found)
        missing = {target.item.key: target.item for _, target in found if target.item.key not in known}
        items = iter(missing.values())
        while batch := list(islice(items, annotator.batch)):
            answers: dict[str, Answer | None] = {
                item.key: answer for item, answer in zip(batch, annotator.annotate(batch), strict=True)
            }
            self._cache.put(annotator, answers)
            known |= answers
            self.report.asked[annotator.name] += len(batch)
        for dialogue, target in found:
            answer = known[target.item.key]
            if answer is None:
                self.report.unanswered[annotator.name] += 1
                continue
            set_fields = apply_answer(dialogue, target, answer, annotator, self._least, self._overwrite)
            self.report.set_fields[annotator.name] += set_fields

    def _open(self, media: str, kind: Kind) -> Medium:
        return open_medium(self._source.media.read(media), kind)
