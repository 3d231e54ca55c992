"""What a task is: items of a data set, what a model makes of each, and metrics over all of them.

A task is one small file in `ruxi.evaluation.tasks`, registered under the entry-point group `ruxi.tasks`; other people's
tasks come in by the same door. What a model did with an item becomes a `Record`, and every number is computed from
records alone, so that an evaluation can be resumed, checked and compared without the model. The floors (chance,
majority, TF-IDF) give records of the same form, and go through the same metrics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ruxi.characters import Character
from ruxi.dialogues import Dialogue
from ruxi.evaluation.statistics import Columns, Measure

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player

Need = Literal["likelihood", "generation", "media"]
Value = float | int | str | None


@dataclass(frozen=True)
class Item:
    """One question to a model.

    Attributes:
        id: Unique within its task and data set.
        cluster: What is not independent of it: items cut from one dialogue share it.
        dialogue: The dialogue up to what is evaluated, with it where it has words.
        character: Who speaks or is spoken to.
        speaker: The character's name in the dialogue.
        candidates: Texts to choose from.
        gold: Index of the right candidate; 0 where there is nothing to choose from.
        label: The right label, for classification.
        facts: What else the task knows of it.
    """

    id: str
    cluster: str
    dialogue: Dialogue
    character: Character
    speaker: str
    candidates: tuple[str, ...] = ()
    gold: int = 0
    label: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What a model made of an item.

    Attributes:
        id: The item's.
        cluster: The item's.
        values: What metrics are computed from: numbers, and labels as text.
        shown: What a person wants to see of it: candidates, scores, the reply.
    """

    id: str
    cluster: str
    values: Mapping[str, Value]
    shown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """A number over all records of a task.

    Attributes:
        name: As in tables, for example `hits@1`.
        measure: Computes it from the records' values.
        higher_is_better: Which way is up; None for numbers that are neither good nor bad.
    """

    name: str
    measure: Measure
    higher_is_better: bool | None = True


class TaskOptions(BaseModel):
    """Options of every task; subclasses add fields, whose docstrings are the help text."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    incidental: ClassVar[frozenset[str]] = frozenset()
    """Options that change how a number is come by, not the number: an address, a price."""

    split: Literal["train", "validation", "test", "all"] | None = None
    """Part of the data; by default the test split, or validation, or whatever there is."""
    languages: list[str] | None = None
    """Only dialogues in these languages."""
    context_tokens: int = Field(768, ge=64)
    """Longest prompt, without the reply."""
    persona_tokens: int | None = Field(256, gt=0)
    """Longest persona; longer ones are cut."""
    items: int | None = Field(None, gt=0)
    """Take so many items, drawn by the seed; all of them unless given."""


class Task(ABC):
    """A way to measure a model on a data set.

    Attributes:
        name: What the user types.
        summary: One line about it.
        needs: What the model must be able to do.
        batch: Items that are given to `run` together.
        Options: The options that it takes.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    needs: ClassVar[frozenset[Need]] = frozenset({"likelihood"})
    batch: ClassVar[int] = 8
    Options: ClassVar[type[TaskOptions]] = TaskOptions

    def __init__(self, options: TaskOptions | None = None) -> None:
        self.options = options if options is not None else self.Options()

    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """Its metrics; the first one is the headline."""

    @abstractmethod
    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """The items of a data set; the same seed gives the same ones, whatever model is asked.

        Raises:
            DataError: The data have nothing for this task; the message says what it looks for.
        """

    @abstractmethod
    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Ask the model, a few items at a time; one record an item, in their order."""

    def floors(self, items: Sequence[Item], data: EvaluationData) -> dict[str, list[Record]]:
        """Records of what needs no model, by name."""
        return {}

    def details(self, records: Sequence[Record]) -> dict[str, Any]:
        """What a number cannot say, for the report, for example a confusion matrix."""
        return {}

    def batch_key(self, item: Item) -> str:
        """Items with the same key go into the same batches, because they share work."""
        return ""


def columns_of(records: Sequence[Record], vocabulary: Sequence[str] | None = None) -> Columns:
    """The values of records as arrays.

    Args:
        records: Records of one task.
        vocabulary: All labels; taken from the records unless given.

    Returns:
        Numbers as float64 with not-a-number where a record has none; labels as their place in the vocabulary,
        -1 where a record has none.
    """
    names = list(dict.fromkeys(name for record in records for name in record.values))
    known = vocabulary_of(records) if vocabulary is None else list(vocabulary)
    places = {label: place for place, label in enumerate(known)}
    columns: dict[str, Any] = {}
    for name in names:
        values = [record.values.get(name) for record in records]
        if any(isinstance(value, str) for value in values):
            columns[name] = np.array([places.get(value, -1) if isinstance(value, str) else -1 for value in values])
        else:
            columns[name] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return columns


def vocabulary_of(records: Sequence[Record]) -> list[str]:
    """All labels in some records, sorted."""
    return sorted({value for record in records for value in record.values.values() if isinstance(value, str)})


def mean_of(name: str) -> Measure:
    """The measure that averages one value, over the records that have it."""

    def measure(columns: Columns) -> float:
        values = np.asarray(columns.get(name, ()), dtype=np.float64)
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else float("nan")

    return measure
