"""Speaker identification: can one tell from a reply alone which character the model plays?

A classifier (TF-IDF and a linear support vector machine) learns the characters' voices from their true lines in other
dialogues; then it names the speaker of each reply that the model makes up. Names of characters are masked, so that a
model does not win by introducing itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from ruxi.errors import DataError
from ruxi.evaluation import floors
from ruxi.evaluation.generation import ReplyOptions, generation_items, made_up
from ruxi.evaluation.metrics import hits_at, standing
from ruxi.evaluation.replies import drawn, known_replies
from ruxi.evaluation.task import Item, Metric, Need, Record, Task, TaskOptions, mean_of

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player


class SpeakerIdentificationOptions(ReplyOptions):
    """Options of speaker identification."""

    pool: Path | None = None
    """Data set whose training split the voices are learnt from; the data set itself unless given."""
    most_lines: int = Field(200, gt=0)
    """Lines of each character to learn from, at most."""
    mask_names: bool = True
    """Whether the characters' names are hidden."""


class SpeakerIdentification(Task):
    """Names the speaker of made-up replies."""

    name = "speaker_identification"
    summary = "how often a classifier of true lines recognises the character in a reply that the model makes up"
    needs: ClassVar[frozenset[Need]] = frozenset({"generation"})
    batch: ClassVar[int] = 1
    Options: ClassVar[type[TaskOptions]] = SpeakerIdentificationOptions
    options: SpeakerIdentificationOptions

    def __init__(self, options: TaskOptions | None = None) -> None:
        super().__init__(options)
        self._learnt: dict[str, _Voices] = {}

    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy, first and among the first five."""
        return (Metric("accuracy", mean_of("accuracy")), Metric("among first 5", mean_of("among first 5")))

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a reply of a character whose lines are known."""
        known = set(self._voices(data).names)
        everything = self.options.model_copy(update={"items": None})
        items = [item for item in generation_items(data, everything, seed) if item.speaker in known]
        if not items:
            raise DataError(
                "no reply is of a character with training lines", where=str(data.path), remedy="Name a pool."
            )
        return drawn(items, self.options.items, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Let the model speak, and the classifier listen."""
        texts = [made_up(item, player, self.options, data).text for item in items]
        return self._recognised(items, texts, data)

    def floors(self, items: Sequence[Item], data: EvaluationData) -> dict[str, list[Record]]:
        """The true replies (what can be reached at best), and chance."""
        number = len(self._voices(data).names)
        chance = {"accuracy": 1 / number, "among first 5": min(5 / number, 1.0)}
        return {
            "true replies": self._recognised(items, [item.candidates[0] for item in items], data),
            "chance": [Record(item.id, item.cluster, chance) for item in items],
        }

    def _recognised(self, items: Sequence[Item], texts: Sequence[str], data: EvaluationData) -> list[Record]:
        voices = self._voices(data)
        records = []
        for item, text, scores in zip(items, texts, voices.scores(texts), strict=True):
            place = standing(scores, voices.names.index(item.speaker))
            best = voices.names[max(range(len(scores)), key=scores.__getitem__)]
            values = {"accuracy": hits_at(1, *place), "among first 5": hits_at(5, *place)}
            records.append(Record(item.id, item.cluster, values, {"reply": text, "recognised": best}))
        return records

    def _voices(self, data: EvaluationData) -> _Voices:
        pool = self.options.pool or data.path
        if str(pool) not in self._learnt:
            self._learnt[str(pool)] = _Voices(self._lines(data), masked=self.options.mask_names, where=pool)
        return self._learnt[str(pool)]

    def _lines(self, data: EvaluationData) -> list[tuple[str, str]]:
        from ruxi.evaluation.data import EvaluationData

        source = data if self.options.pool is None else EvaluationData(self.options.pool)
        count: dict[str, int] = {}
        lines = []
        for reply in known_replies(list(source.training())):
            count[reply.speaker] = count.get(reply.speaker, 0) + 1
            if count[reply.speaker] <= self.options.most_lines:
                lines.append((reply.speaker, reply.text))
        return lines


class _Voices:
    """A classifier of characters' lines.

    Args:
        lines: Speaker and words.
        masked: Whether names are hidden.
        where: Where the lines come from, for messages.
    """

    def __init__(self, lines: Sequence[tuple[str, str]], *, masked: bool, where: Path) -> None:
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC

        speakers = sorted({speaker for speaker, _ in lines})
        if len(speakers) < 2:
            raise DataError(
                "fewer than two characters speak in its training split",
                where=str(where),
                remedy="Name a data set with training dialogues with --set speaker_identification.pool=DIR.",
            )
        pieces = {piece for speaker in speakers for piece in (speaker, *speaker.split()) if len(piece) > 1}
        ordered = sorted(pieces, key=lambda piece: (-len(piece), piece))
        self._names = re.compile("|".join(re.escape(piece) for piece in ordered)) if masked else None
        self._model: Pipeline = make_pipeline(floors.vectoriser(), LinearSVC(C=1.0, random_state=0))
        self._model.fit([self._hidden(text) for _, text in lines], [speaker for speaker, _ in lines])
        self.names: list[str] = [str(name) for name in self._model.classes_]

    def scores(self, texts: Sequence[str]) -> list[list[float]]:
        """How much each text sounds like each character, in the order of `names`."""
        found = self._model.decision_function([self._hidden(text) for text in texts])
        if found.ndim == 1:
            return [[-float(value), float(value)] for value in found]
        return [[float(value) for value in row] for row in found]

    def _hidden(self, text: str) -> str:
        return text if self._names is None else self._names.sub(" ", text)
