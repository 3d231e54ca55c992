"""Media gain: is the true reply likelier with the right picture or sound than with another one, or with none?

The true reply is scored three times: with the dialogue's own media, with those of another item, and without any. Data
sets often describe their pictures in words; these words are left out here, so that the medium is the only source. What
the model's own extractor recognises counts as part of the medium and is exchanged with it.

Asked for candidates, it also ranks the true reply among those of other roles, as `next_reply` does, with the right
media and with the other ones: what seeing is worth when a reply is to be chosen.

A model may have seen a picture in training with other words about it. Items with such pictures are marked, and the
gain over all others stands beside that over all items.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from ruxi.dialogues import Dialogue, Part, Turn
from ruxi.errors import DataError
from ruxi.evaluation.replies import Turns, before_reply, drawn, reply_items
from ruxi.evaluation.statistics import Columns, Measure
from ruxi.evaluation.task import Item, Metric, Need, Record, Task, TaskOptions, Value, mean_of
from ruxi.evaluation.tasks.next_reply import NextReply, NextReplyOptions, ranked

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player

Kind = Literal["image", "audio", "video"]

_RANKS = ("hits@1", "mrr")


class MediaGainOptions(TaskOptions):
    """Options of media gain."""

    turns: Turns = "last"
    """Which replies of a dialogue count: its last turn, or all of them."""
    kind: Kind = "image"
    """Kind of medium that is exchanged."""
    keep_captions: bool = False
    """Keep the data set's own words about the medium."""
    reply_tokens: int | None = Field(None, gt=0)
    """Tokens of each reply that are scored; all of them unless given."""
    candidates: int | None = Field(None, ge=2)
    """Also rank the true reply by PMI among so many, those of other roles; takes as many times longer."""
    trained_on: Path | None = None
    """Data set whose training split the model may have learnt from; its media count as known."""


class MediaGain(Task):
    """Compares the likelihood of the true reply under three conditions."""

    name = "media_gain"
    summary = "likelihood of the true reply with its own picture or sound, another one, or none"
    needs: ClassVar[frozenset[Need]] = frozenset({"likelihood", "media"})
    Options: ClassVar[type[TaskOptions]] = MediaGainOptions
    options: MediaGainOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Gains in nats a token, and how often the right medium beats the other one; gains in ranks if asked for."""
        ranks = _RANKS if self.options.candidates else ()
        return (
            Metric("gain over shuffled", mean_of("gain over shuffled")),
            Metric("gain over none", mean_of("gain over none")),
            Metric("gain over shuffled, unknown media", _unknown("gain over shuffled")),
            Metric("right beats shuffled", mean_of("right beats shuffled")),
            Metric("nats with right", mean_of("nats with right"), higher_is_better=False),
            *(Metric(f"{name} with right", mean_of(f"{name} with right")) for name in ranks),
            *(Metric(f"{name} gain over shuffled", mean_of(f"{name} gain over shuffled")) for name in ranks),
        )

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """Replies after at least one medium, each with the media of another item."""
        items = [item for item in self._replies(data, seed) if self._media(item)]
        if len({self._media(item) for item in items}) < 2:
            raise DataError(
                f"no two replies follow different media of the kind {self.options.kind!r}",
                where=str(data.path),
                remedy="Give data with media, or another kind.",
            )
        chosen = []
        known = self._known(data)
        for item in items:
            dice = random.Random(f"{seed}/{item.id}")
            others = sorted({self._media(other) for other in items} - {self._media(item)})
            facts = {"shuffled": dice.choice(others), "known": any(media in known for media in self._media(item))}
            chosen.append(replace(item, facts={**item.facts, **facts}))
        return drawn(chosen, self.options.items, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Score each reply under the three conditions."""
        prompts = []
        for item in items:
            true = item.candidates[item.gold : item.gold + 1]
            for media, replies in ((None, item.candidates), (item.facts["shuffled"], item.candidates), ((), true)):
                dialogue = self._with_media(item, media)
                context = player.prompt(item.character, dialogue, item.speaker, self.options, data.media)
                prompts += [player.answered(context, reply, self.options.reply_tokens) for reply in replies]
        scored = zip(prompts, player.log_likelihood(prompts, data.media), strict=True)
        records = []
        for item in items:
            number = len(item.candidates)
            with_right, with_shuffled = list(islice(scored, number)), list(islice(scored, number))
            gold = with_right[item.gold], with_shuffled[item.gold], next(scored)
            right, shuffled, none = (float(scores.mean()) for _, scores in gold)
            values: dict[str, Value] = {
                "gain over shuffled": right - shuffled,
                "gain over none": right - none,
                "right beats shuffled": 0.5 if right == shuffled else float(right > shuffled),
                "nats with right": -right,
                "known": float(item.facts["known"]),
            }
            if self.options.candidates:
                best, other = (
                    ranked([player.gained(prompt, scores) for prompt, scores in found], item.gold)
                    for found in (with_right, with_shuffled)
                )
                values |= {f"{name} with right": best[name] for name in _RANKS}
                values |= {f"{name} gain over shuffled": best[name] - other[name] for name in _RANKS}
            shown = {
                "right": self._media(item),
                "shuffled": item.facts["shuffled"],
                "likelihood": [right, shuffled, none],
            }
            records.append(Record(item.id, item.cluster, values, shown))
        return records

    def floors(self, items: Sequence[Item], data: EvaluationData) -> dict[str, list[Record]]:
        """A model that does not look."""
        blind = {"gain over shuffled": 0.0, "gain over none": 0.0, "right beats shuffled": 0.5}
        blind |= {f"{name} gain over shuffled": 0.0 for name in _RANKS if self.options.candidates}
        return {
            "blind": [Record(item.id, item.cluster, {**blind, "known": float(item.facts["known"])}) for item in items]
        }

    def details(self, records: Sequence[Record]) -> dict[str, Any]:
        """How many items show what may have been seen in training."""
        return {"items with known media": sum(bool(record.values["known"]) for record in records)}

    def _replies(self, data: EvaluationData, seed: int) -> list[Item]:
        """All replies, each with its candidates."""
        if self.options.candidates is None:
            return reply_items(data, self.options.model_copy(update={"items": None}), seed, self.options.turns)
        shared = self.options.model_dump(include={"candidates", "turns", "split", "languages"})
        return NextReply(NextReplyOptions(**shared)).all_items(data, seed)

    def _media(self, item: Item) -> tuple[str, ...]:
        return self._media_of(item.dialogue.turns[:-1])

    def _media_of(self, turns: Sequence[Turn]) -> tuple[str, ...]:
        parts = (part for turn in turns for part in turn.parts)
        return tuple(part.media for part in parts if part.kind == self.options.kind and part.media is not None)

    def _known(self, data: EvaluationData) -> set[str]:
        """The media that a model may have been trained with."""
        from ruxi.evaluation.data import EvaluationData

        sources = [data] if self.options.trained_on is None else [data, EvaluationData(self.options.trained_on)]
        return {
            media for source in sources for dialogue in source.training() for media in self._media_of(dialogue.turns)
        }

    def _with_media(self, item: Item, media: Sequence[str] | None) -> Dialogue:
        """The dialogue with these media in place of its own, in turn; None leaves them, none takes them away."""
        count = 0

        def exchanged(part: Part) -> Part | None:
            nonlocal count
            if part.kind != self.options.kind or part.media is None:
                return part
            own = part if self.options.keep_captions else part.model_copy(update={"text": None, "name": None})
            if media is None:
                return own
            if not media:
                return None
            count += 1
            return own.model_copy(update={"media": media[(count - 1) % len(media)]})

        return _with_parts(before_reply(item), exchanged)


def _unknown(name: str) -> Measure:
    """The mean over items whose media are unknown."""

    def measure(columns: Columns) -> float:
        unknown = np.asarray(columns["known"]) == 0
        return float(np.asarray(columns[name], dtype=np.float64)[unknown].mean()) if unknown.any() else float("nan")

    return measure


def _with_parts(dialogue: Dialogue, change: Callable[[Part], Part | None]) -> Dialogue:
    turns = []
    for turn in dialogue.turns:
        parts = [changed for part in turn.parts if (changed := change(part)) is not None]
        turns.append(turn.model_copy(update={"parts": parts}))
    return dialogue.model_copy(update={"turns": turns})
