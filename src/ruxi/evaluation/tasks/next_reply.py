"""Next reply: does the model find the true reply among others?

Two rankings from one pass: by mean log-likelihood a token, and by pointwise mutual information, that is the reply's
log-likelihood minus what it is worth without the dialogue (Holtzman et al., EMNLP 2021, domain-conditional PMI). The
first mostly finds the most fluent reply, the second the one that belongs here.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from ruxi.errors import DataError
from ruxi.evaluation import floors
from ruxi.evaluation.metrics import hits_at, reciprocal_rank, standing
from ruxi.evaluation.replies import KnownReply, Turns, before_reply, drawn, known_replies, reply_items
from ruxi.evaluation.task import Item, Metric, Record, Task, TaskOptions, Value, mean_of
from ruxi.prompt.parts import words_of_turn

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player


class NextReplyOptions(TaskOptions):
    """Options of next reply."""

    candidates: int = Field(20, ge=2)
    """Replies to choose from, the true one among them."""
    distractors: Literal["other_role", "same_role"] = "other_role"
    """Whose words the others are: another character's, or the same one's in other dialogues."""
    turns: Turns = "last"
    """Which replies of a dialogue count: its last turn, or all of them."""
    reply_tokens: int | None = Field(96, gt=0)
    """Tokens of each candidate that are scored."""
    pool: Path | None = None
    """Another data set whose held-out replies may be distractors, too."""


class NextReply(Task):
    """Ranks the true reply among others."""

    name = "next_reply"
    summary = "the true reply among N, by likelihood and by PMI; the others are of other roles"
    batch: ClassVar[int] = 4
    Options: ClassVar[type[TaskOptions]] = NextReplyOptions
    options: NextReplyOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Ranks by PMI, then by likelihood."""
        names = ("hits@1", "hits@5", "mrr")
        return (
            *(Metric(name, mean_of(name)) for name in names),
            *(Metric(f"likelihood {name}", mean_of(f"likelihood {name}")) for name in names),
            Metric("nats", mean_of("nats"), higher_is_better=False),
        )

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a reply, with distractors that depend on the seed and the item alone."""
        return drawn(self.all_items(data, seed), self.options.items, seed)

    def all_items(self, data: EvaluationData, seed: int) -> list[Item]:
        """The items, without a limit to their number."""
        everything = self.options.model_copy(update={"items": None})
        items = reply_items(data, everything, seed, self.options.turns)
        pool = self._pool(data, items)
        wanted = self.options.candidates - 1
        chosen = []
        for item in items:
            fitting = self._fitting(item, pool)
            if len(fitting) < wanted:
                continue
            dice = random.Random(f"{seed}/{item.id}")
            texts = dice.sample(fitting, wanted)
            gold = dice.randrange(wanted + 1)
            texts.insert(gold, item.candidates[0])
            chosen.append(replace(item, candidates=tuple(texts), gold=gold))
        if not chosen:
            raise DataError(
                f"no reply has {wanted} distractors ({self.options.distractors})",
                where=str(data.path),
                remedy="Ask for fewer candidates, or name a pool.",
            )
        return chosen

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Score all candidates of some items in one go."""
        prompts = []
        for item in items:
            context = player.prompt(item.character, before_reply(item), item.speaker, self.options, data.media)
            prompts += [player.answered(context, text, self.options.reply_tokens) for text in item.candidates]
        scores = player.log_likelihood(prompts, data.media)
        means = [float(values.mean()) for values in scores]
        gains = [player.gained(prompt, values) for prompt, values in zip(prompts, scores, strict=True)]
        records, start = [], 0
        for item in items:
            part = slice(start, start + len(item.candidates))
            start = part.stop
            values: dict[str, Value] = {**ranked(gains[part], item.gold), "nats": -means[part][item.gold]}
            values |= {f"likelihood {name}": value for name, value in ranked(means[part], item.gold).items()}
            shown = {
                "candidates": list(item.candidates),
                "gold": item.gold,
                "chosen": int(np.argmax(gains[part])),
                "pmi": gains[part],
                "likelihood": means[part],
                "tokens": [len(values) for values in scores[part]],
            }
            records.append(Record(item.id, item.cluster, values, shown))
        return records

    def floors(self, items: Sequence[Item], data: EvaluationData) -> dict[str, list[Record]]:
        """Word overlap with what was said, and with all that a model may read (persona, names, captions); chance."""
        said = ["\n".join(turn.text for turn in before_reply(item).turns) for item in items]
        everything = [
            "\n".join(
                [
                    item.character.description,
                    *(f"{t.speaker}: {words_of_turn(t, describe_media=True)}" for t in before_reply(item).turns),
                    item.speaker,
                ]
            )
            for item in items
        ]
        found = {
            name: [
                Record(item.id, item.cluster, ranked(list(scores), item.gold))
                for item, scores in zip(items, overlaps, strict=True)
            ]
            for name, contexts in (("TF-IDF", said), ("TF-IDF, persona too", everything))
            if (overlaps := floors.overlap(contexts, [item.candidates for item in items]))
        }
        flat = [Record(item.id, item.cluster, ranked([0.0] * len(item.candidates), item.gold)) for item in items]
        return {**found, "chance": flat}

    def batch_key(self, item: Item) -> str:
        """Items of one character share their persona."""
        return item.speaker

    def _pool(self, data: EvaluationData, items: list[Item]) -> list[KnownReply]:
        if self.options.distractors == "other_role":
            dialogues = [item.dialogue for item in items]
            own = {(item.speaker, item.candidates[0]) for item in items}
            pool = [reply for reply in known_replies(dialogues) if (reply.speaker, reply.text) in own]
        else:
            pool = list(known_replies(data.dialogues(self.options)))
        if self.options.pool is not None:
            from ruxi.evaluation.data import EvaluationData

            pool += known_replies(EvaluationData(self.options.pool).dialogues(self.options))
        return pool

    def _fitting(self, item: Item, pool: list[KnownReply]) -> list[str]:
        same = self.options.distractors == "same_role"
        texts = {
            reply.text: None
            for reply in pool
            if (reply.speaker == item.speaker) == same
            and reply.cluster != item.cluster
            and reply.language == item.dialogue.language
            and reply.text != item.candidates[0]
        }
        return list(texts)


class NextReplySameRole(NextReply):
    """Ranks the true reply among others of the same character."""

    name = "next_reply_same_role"
    summary = "the true reply among N of the same character's"

    class Options(NextReplyOptions):
        """Options of next reply, with distractors of the same role."""

        distractors: Literal["other_role", "same_role"] = "same_role"
        """Whose words the others are: another character's, or the same one's in other dialogues."""


def ranked(scores: list[float], gold: int) -> dict[str, float]:
    """The usual measures of one ranking."""
    better, ties = standing(scores, gold)
    return {
        "hits@1": hits_at(1, better, ties),
        "hits@5": hits_at(5, better, ties),
        "mrr": reciprocal_rank(better, ties),
    }
