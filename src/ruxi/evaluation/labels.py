"""Tasks that name a label of a turn: an emotion or an intent, from words, a voice or a face.

A model that has heads for it is asked through them, at the end of the turn, as on stage. Another one is asked in words,
and chooses among the labels by likelihood.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ruxi.characters import Character
from ruxi.dialogues import Turn
from ruxi.errors import DataError, EngineError
from ruxi.evaluation import floors, metrics
from ruxi.evaluation.asking import LISTENER, answer_scores
from ruxi.evaluation.data import cluster_of
from ruxi.evaluation.replies import drawn
from ruxi.evaluation.statistics import Columns, Measure
from ruxi.evaluation.task import Item, Metric, Record, Task, TaskOptions

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player


@dataclass(frozen=True)
class LabelSet:
    """The labels that a task chooses from.

    Attributes:
        head: Name of the head that knows them.
        names: The labels.
        words: How each is said in words.
        question: What a model without heads is asked; `{speaker}` and `{words}` are filled in.
        of_turn: The label of a turn, or None.
        of_head: The task's label for each label of the head.
    """

    head: str
    names: tuple[str, ...]
    words: Mapping[str, str]
    question: str
    of_turn: Callable[[Turn], str | None]
    of_head: Callable[[str], str | None]


class LabelOptions(TaskOptions):
    """Options of tasks that name labels."""

    by: Literal["auto", "heads", "likelihood"] = "auto"
    """How a model answers: by its heads, by the likelihood of the labels' words, or as it can."""


class LabelTask(Task):
    """Names the label of a turn.

    Attributes:
        labels: What it chooses from.
        kind: What the turn must hold: words alone (None), or a medium of this kind.
        headline: The metric that stands first.
    """

    labels: ClassVar[LabelSet]
    kind: ClassVar[Literal["image", "audio", "video"] | None] = None
    headline: ClassVar[str] = "weighted F1"
    batch: ClassVar[int] = 16
    Options: ClassVar[type[TaskOptions]] = LabelOptions
    options: LabelOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy, and the usual means over classes."""
        found = {
            "weighted F1": of_confusion(metrics.weighted_f1),
            "macro F1": of_confusion(metrics.macro_f1),
            "unweighted accuracy": of_confusion(metrics.unweighted_accuracy),
            "accuracy": lambda columns: float(np.mean(columns["gold"] == columns["predicted"])),
        }
        order = sorted(found, key=lambda name: name != self.headline)
        return tuple(Metric(name, found[name]) for name in order)

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item for each turn that has a label."""
        items = []
        for dialogue in data.dialogues(self.options):
            for index, turn in enumerate(dialogue.turns):
                label = self.labels.of_turn(turn)
                if label is None or not self._holds(turn):
                    continue
                items.append(
                    Item(
                        id=f"{dialogue.id}:{index}",
                        cluster=cluster_of(dialogue),
                        dialogue=dialogue.model_copy(update={"turns": dialogue.turns[: index + 1]}),
                        character=Character(name=LISTENER),
                        speaker=LISTENER,
                        label=label,
                    )
                )
        if not items:
            wanted = f"a medium of the kind {self.kind!r}" if self.kind else "words"
            raise DataError(
                f"no turn with {wanted} has a label for {self.labels.head}",
                where=str(data.path),
                remedy="Give other data, or label these with `ruxi data annotate`.",
            )
        return drawn(items, self.options.items, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Ask the heads, or in words."""
        scores = None if self.options.by == "likelihood" else self._by_heads(items, player, data)
        by = "heads"
        if scores is None:
            if self.options.by == "heads":
                raise EngineError("the model has no heads", where=player.engine.name, remedy="Set by=likelihood.")
            scores, by = self._by_words(items, player, data), "likelihood"
        records = []
        for item, of_item in zip(items, scores, strict=True):
            predicted = max(self.labels.names, key=lambda name: of_item[name])
            shown = {"by": by, "scores": {name: round(of_item[name], 4) for name in self.labels.names}}
            records.append(self._record(item, predicted, shown))
        return records

    def floors(self, items: Sequence[Item], data: EvaluationData) -> dict[str, list[Record]]:
        """The most frequent label, dice, and word counts where there are words to learn from."""
        training = [
            (turn.text, label)
            for dialogue in data.training()
            for turn in dialogue.turns
            if self._holds(turn) and (label := self.labels.of_turn(turn)) is not None
        ]
        gold = [item.label or "" for item in items]
        most = floors.majority([label for _, label in training] or gold)
        found = {
            "majority": [self._record(item, most) for item in items],
            "chance": [
                self._record(item, random.Random(f"chance/{item.id}").choice(self.labels.names)) for item in items
            ],
        }
        if self.kind is None and len({label for _, label in training}) > 1:
            texts, labels = zip(*training, strict=True)
            predicted = floors.classified(texts, labels, [item.dialogue.turns[-1].text for item in items])
            found["TF-IDF"] = [self._record(item, label) for item, label in zip(items, predicted, strict=True)]
        return found

    def details(self, records: Sequence[Record]) -> dict[str, Any]:
        """The confusion matrix: a row a gold label, a column a predicted one."""
        return confusion_details(records, self.labels.names)

    def batch_key(self, item: Item) -> str:
        """Turns of one dialogue share what was said before."""
        return item.id.rpartition(":")[0] if self.kind is None else ""

    def _holds(self, turn: Turn) -> bool:
        if self.kind is None:
            return bool(turn.text.strip()) and all(part.media is None for part in turn.parts)
        return any(part.kind == self.kind and part.media is not None for part in turn.parts)

    def _by_heads(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[dict[str, float]] | None:
        prompts = [
            player.prompt(item.character, item.dialogue, item.speaker, self.options, data.media) for item in items
        ]
        found = []
        for feelings in player.feelings(prompts, data.media):
            head = feelings.get(self.labels.head)
            if head is None:
                return None
            scores = dict.fromkeys(self.labels.names, 0.0)
            for label, probability in head.items():
                name = self.labels.of_head(label)
                if name is not None:
                    scores[name] += probability
            found.append(scores)
        return found

    def _by_words(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[dict[str, float]]:
        words = [self.labels.words[name] for name in self.labels.names]
        listed = f"{', '.join(words[:-1])} or {words[-1]}"
        questions = [
            self.labels.question.format(speaker=item.dialogue.turns[-1].speaker, words=listed) for item in items
        ]
        found = answer_scores(
            player, [item.dialogue for item in items], questions, [words] * len(items), self.options, data
        )
        return [dict(zip(self.labels.names, scores, strict=True)) for scores in found]

    def _record(self, item: Item, predicted: str, shown: Mapping[str, Any] | None = None) -> Record:
        return Record(item.id, item.cluster, {"gold": item.label, "predicted": predicted}, shown or {})


def confusion_details(records: Sequence[Record], names: Sequence[str]) -> dict[str, Any]:
    """The confusion matrix of the labels `gold` and `predicted`: a row a gold one, a column a predicted one."""
    known = {label for record in records for label in (record.values["gold"], record.values["predicted"])}
    present = [name for name in names if name in known]
    if not present:
        return {}
    places = {name: place for place, name in enumerate(present)}
    pairs = [(places[str(record.values["gold"])], places[str(record.values["predicted"])]) for record in records]
    gold, predicted = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    counts = metrics.confusion(gold, predicted, len(present))
    return {"confusion": {"labels": present, "counts": counts.astype(int).tolist()}}


def of_confusion(compute: Callable[[metrics.Floats], float]) -> Measure:
    """A measure of the confusion matrix of the columns `gold` and `predicted`."""

    def measure(columns: Columns) -> float:
        gold, predicted = (columns[name].astype(np.int64) for name in ("gold", "predicted"))
        return compute(metrics.confusion(gold, predicted, int(max(gold.max(), predicted.max())) + 1))

    return measure
