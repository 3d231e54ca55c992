"""Multiple choice by likelihood, circular.

The choices are listed with letters and the letters are scored. A model that prefers a letter, or a place, is found out
by asking with every rotation of the choices: an item counts as known only when it is right in all of them (circular
evaluation, Liu et al., MMBench, ECCV 2024).
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from ruxi.characters import Character
from ruxi.dialogues import Dialogue, Turn
from ruxi.errors import DataError
from ruxi.evaluation.asking import LISTENER
from ruxi.evaluation.data import cluster_of
from ruxi.evaluation.metrics import hits_at, standing
from ruxi.evaluation.replies import drawn
from ruxi.evaluation.task import Item, Metric, Record, Task, TaskOptions, mean_of

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player


class MultipleChoice(Task):
    """Answers questions by letter."""

    name = "multiple_choice"
    summary = "questions with choices, by the likelihood of the letters, in every rotation"
    Options: ClassVar[type[TaskOptions]] = TaskOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy over rotations, and of items that are right in all."""
        return (Metric("circular accuracy", mean_of("circular accuracy")), Metric("accuracy", mean_of("accuracy")))

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a question; data come from the importer `multiple-choice`."""
        items = []
        for dialogue in data.dialogues(self.options):
            extra = dialogue.model_extra or {}
            choices, answer = extra.get("choices"), extra.get("answer")
            if not isinstance(choices, list) or not isinstance(answer, int) or not dialogue.turns:
                continue
            items.append(
                Item(
                    id=dialogue.id,
                    cluster=cluster_of(dialogue),
                    dialogue=dialogue,
                    character=Character(name=LISTENER),
                    speaker=LISTENER,
                    candidates=tuple(str(choice) for choice in choices),
                    gold=answer,
                )
            )
        if not items:
            raise DataError(
                "holds no questions with choices",
                where=str(data.path),
                remedy="Import a file of {question, choices, answer} with `ruxi data import multiple-choice`.",
            )
        return drawn(items, self.options.items, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Ask every rotation."""
        prompts, numbers = [], []
        for item in items:
            number = len(item.candidates)
            for rotation in range(number):
                asked = _listed(item, rotation)
                context = player.prompt(item.character, asked, item.speaker, self.options, data.media)
                prompts += [player.answered(context, letter, 1) for letter in string.ascii_uppercase[:number]]
            numbers.append(number)
        worth = [float(scores.sum()) for scores in player.log_likelihood(prompts, data.media)]
        records, start = [], 0
        for item, number in zip(items, numbers, strict=True):
            right, chosen = [], []
            for rotation in range(number):
                scores = worth[start : start + number]
                start += number
                place = (item.gold - rotation) % number
                right.append(hits_at(1, *standing(scores, place)))
                chosen.append((max(range(number), key=scores.__getitem__) + rotation) % number)
            values = {"accuracy": sum(right) / number, "circular accuracy": math.prod(right)}
            shown = {"candidates": list(item.candidates), "gold": item.gold, "chosen by rotation": chosen}
            records.append(Record(item.id, item.cluster, values, shown))
        return records

    def floors(self, items: Sequence[Item], data: EvaluationData) -> dict[str, list[Record]]:
        """Chance: one of the letters, each time anew."""
        return {
            "chance": [
                Record(
                    item.id,
                    item.cluster,
                    {
                        "accuracy": 1 / len(item.candidates),
                        "circular accuracy": float(len(item.candidates)) ** -len(item.candidates),
                    },
                )
                for item in items
            ]
        }


def _listed(item: Item, rotation: int) -> Dialogue:
    """The dialogue with the choices listed after its last turn, rotated."""
    rotated = item.candidates[rotation:] + item.candidates[:rotation]
    lines = [f"{letter}. {text}" for letter, text in zip(string.ascii_uppercase, rotated, strict=False)]
    *before, last = item.dialogue.turns
    listed = Turn.of_text(last.speaker, "\n".join([*lines, "Answer with the letter alone."]))
    asked = last.model_copy(update={"parts": [*last.parts, *listed.parts]})
    return item.dialogue.model_copy(update={"turns": [*before, asked]})
