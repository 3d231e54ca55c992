"""Reward: made-up replies scored by a reward model of our own, without a judge and without the true reply.

The reward model reads every reply with its own base model, whichever model made the reply up. It should be believed as
far as its report goes (`reward.json` beside its weights); the score at equal length stands beside the plain one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ruxi.errors import ModelError
from ruxi.evaluation.generation import ReplyOptions, generation_items, made_up
from ruxi.evaluation.judged import at_equal_length
from ruxi.evaluation.reward import RewardModel, reply_features
from ruxi.evaluation.task import Item, Metric, Need, Record, Task, TaskOptions, mean_of

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player


class RewardOptions(ReplyOptions):
    """Options of reward."""

    model: Path | None = None
    """Folder of the reward model; the one that comes with Ruxi unless given."""
    base: str = "smollm2-135m-instruct"
    """Base model whose states it reads."""


class RewardTask(Task):
    """Scores made-up replies."""

    name = "reward"
    summary = "what our reward model makes of made-up replies, as a ratio to a true reply's published score"
    needs: ClassVar[frozenset[Need]] = frozenset({"generation"})
    batch: ClassVar[int] = 4
    Options: ClassVar[type[TaskOptions]] = RewardOptions
    options: RewardOptions

    def metrics(self) -> tuple[Metric, ...]:
        """The mean reward, plain and at the length of the true replies."""
        return (
            Metric("reward", mean_of("reward")),
            Metric("reward at equal length", lambda columns: at_equal_length(columns, "reward")),
            Metric("better than the true reply", mean_of("won")),
        )

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a reply."""
        return generation_items(data, self.options, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Let the model speak, and score what it says beside the true reply."""
        return self._scored(items, [made_up(item, player, self.options, data).text for item in items], data)

    def _scored(self, items: Sequence[Item], texts: Sequence[str], data: EvaluationData) -> list[Record]:
        texts = [text or " " for text in texts]
        true = [item.candidates[0] for item in items]
        features = reply_features([*items, *items], [*texts, *true], self._reader, data, self._model.settings)
        rewards = [float(value) for value in self._model.predict(features)]
        records = []
        for item, text, own, other in zip(items, texts, rewards[: len(items)], rewards[len(items) :], strict=True):
            values = {
                "reward": own,
                "won": 0.5 if own == other else float(own > other),
                "log length ratio": math.log(max(len(text), 1) / max(len(item.candidates[0]), 1)),
            }
            records.append(Record(item.id, item.cluster, values, {"reply": text, "reward of the true reply": other}))
        return records

    def details(self, records: Sequence[Record]) -> dict[str, Any]:
        """How far the reward model can be believed."""
        return {"reward model": dict(self._model.report)}

    @cached_property
    def _model(self) -> RewardModel:
        shipped = Path(str(resources.files("ruxi.evaluation"))) / "reward_model"
        return RewardModel.load(self.options.model or shipped)

    @cached_property
    def _reader(self) -> Player:
        from ruxi.evaluation.player import Player
        from ruxi.runtime import load

        engine: Any = load(self.options.base)
        if self._model.base_digest not in (None, engine.model.config.base_digest):
            raise ModelError("the reward model reads another base model", where=self.options.base)
        return Player(engine)
