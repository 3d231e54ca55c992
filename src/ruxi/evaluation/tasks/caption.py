"""Caption retrieval: the caption of a picture among those of other pictures.

By likelihood: each caption as the reply to the picture, minus what it is worth without it. A model that was trained to
put media and sentences into one space is asked through that space, too, against all captions at once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from ruxi.errors import DataError
from ruxi.evaluation.metrics import hits_at, standing
from ruxi.evaluation.replies import before_reply, drawn, reply_items
from ruxi.evaluation.task import Item, Metric, Need, Record, Task, TaskOptions, Value, mean_of
from ruxi.evaluation.tasks.next_reply import ranked

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player


class CaptionOptions(TaskOptions):
    """Options of caption retrieval."""

    candidates: int = Field(20, ge=2)
    """Captions to choose from, the right one among them."""


class Caption(Task):
    """Ranks a picture's caption among others."""

    name = "caption"
    summary = "the right caption of a picture among N"
    needs: ClassVar[frozenset[Need]] = frozenset({"likelihood", "media"})
    # All captions are put into the shared space once a batch.
    batch: ClassVar[int] = 20
    Options: ClassVar[type[TaskOptions]] = CaptionOptions
    options: CaptionOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Ranks by likelihood, and by the shared space where a model has one."""
        return (
            Metric("hits@1", mean_of("hits@1")),
            Metric("hits@5", mean_of("hits@5")),
            Metric("mrr", mean_of("mrr")),
            Metric("space hits@1", mean_of("space hits@1")),
            Metric("space hits@5", mean_of("space hits@5")),
            Metric("recall@1 of all", mean_of("recall@1 of all")),
            Metric("recall@5 of all", mean_of("recall@5 of all")),
        )

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a picture that is answered with a caption."""
        everything = self.options.model_copy(update={"items": None})
        items = [
            item
            for item in reply_items(data, everything, seed, "last")
            if len(item.dialogue.turns) == 2 and _pictures(item) and not item.dialogue.turns[0].text
        ]
        if len(items) < self.options.candidates:
            raise DataError(
                f"{len(items)} pictures are answered with a caption, {self.options.candidates} are needed",
                where=str(data.path),
                remedy="Give data like Flickr8k, or ask for fewer candidates.",
            )
        chosen = []
        captions = tuple(dict.fromkeys(other.candidates[0] for other in items))
        for item in items:
            dice = random.Random(f"{seed}/{item.id}")
            own = _pictures(item)
            texts = sorted({other.candidates[0] for other in items if _pictures(other) != own} - {item.candidates[0]})
            others = dice.sample(texts, self.options.candidates - 1)
            gold = dice.randrange(self.options.candidates)
            others.insert(gold, item.candidates[0])
            chosen.append(replace(item, candidates=tuple(others), gold=gold, facts={"all": captions}))
        return drawn(chosen, self.options.items, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Score all captions of some pictures."""
        prompts = []
        contexts = []
        for item in items:
            shown = before_reply(item)
            context = player.prompt(item.character, shown, item.speaker, self.options, data.media)
            contexts.append(context)
            blank = shown.model_copy(update={"turns": [shown.turns[0].model_copy(update={"parts": []})]})
            alone = player.prompt(item.character, blank, item.speaker, self.options, data.media)
            prompts += [player.answered(context, text) for text in item.candidates]
            prompts += [player.answered(alone, text) for text in item.candidates]
        worth = [float(scores.sum()) for scores in player.log_likelihood(prompts, data.media)]
        everything = items[0].facts["all"]
        slots = [context.slots[0] for context in contexts if context.slots]
        fits = player.fit(slots, everything, data.media) if len(slots) == len(items) else None
        records, start = [], 0
        for place, item in enumerate(items):
            number = len(item.candidates)
            gains = [worth[start + k] - worth[start + number + k] for k in range(number)]
            start += 2 * number
            values: dict[str, Value] = {**ranked(gains, item.gold)}
            chosen = {"candidates": list(item.candidates), "gold": item.gold, "chosen": int(np.argmax(gains))}
            values |= self._in_space(item, None if fits is None else fits[place])
            records.append(Record(item.id, item.cluster, values, {**chosen, "pmi": gains}))
        return records

    def floors(self, items: Sequence[Item], data: EvaluationData) -> dict[str, list[Record]]:
        """Chance."""
        return {
            "chance": [Record(item.id, item.cluster, ranked([0.0] * len(item.candidates), item.gold)) for item in items]
        }

    def _in_space(self, item: Item, cosines: list[float] | None) -> dict[str, Value]:
        if cosines is None:
            return {}
        place = {text: index for index, text in enumerate(item.facts["all"])}
        among = standing([cosines[place[text]] for text in item.candidates], item.gold)
        of_all = standing(cosines, place[item.candidates[item.gold]])
        return {
            "space hits@1": hits_at(1, *among),
            "space hits@5": hits_at(5, *among),
            "recall@1 of all": hits_at(1, *of_all),
            "recall@5 of all": hits_at(5, *of_all),
        }


def _pictures(item: Item) -> tuple[str, ...]:
    return tuple(part.media for part in item.dialogue.turns[0].parts if part.kind == "image" and part.media is not None)
