"""Guards: what a character must not do, counted on replies that the model makes up.

Speaking for the user, leaving the role, repeating itself or the dialogue, saying nothing. They say that something is
wrong, never that something is right: a model that answers "Aye." to everything passes all but distinct-n.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ruxi.evaluation.floors import words_of
from ruxi.evaluation.generation import ReplyOptions, generation_items, made_up, speaks_for
from ruxi.evaluation.metrics import distinct, n_grams, repetition
from ruxi.evaluation.replies import before_reply
from ruxi.evaluation.task import Item, Metric, Need, Record, Task, TaskOptions, mean_of

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player

_OUT_OF_ROLE = re.compile(
    r"\bas an? (?:artificial intelligence|ai|language model|assistant|chatbot)\b|\b(?:i am|i'm) (?:an? |just an? )?"
    r"(?:artificial intelligence|ai\b|language model|virtual assistant|chatbot|computer program)"
    r"|\bhow (?:can|may) i (?:help|assist) you(?: today)?\b|\bi (?:cannot|can't|can not) (?:role-?play|pretend)\b"
    r"|\bopenai\b|\bsmollm\b|\bhugging ?face\b"
    r"|作为(?:一个|一名)?(?:ai|人工智能|语言模型|助手)|我是(?:一个|一名)?(?:ai|人工智能|语言模型)",
    re.IGNORECASE,
)
_COPIED_WORDS = 8


class Guards(Task):
    """Counts what must not happen."""

    name = "guards"
    summary = (
        "speaking for the user, leaving the role, repetition and distinct words of replies that the model makes up"
    )
    needs: ClassVar[frozenset[Need]] = frozenset({"generation"})
    batch: ClassVar[int] = 1
    Options: ClassVar[type[TaskOptions]] = ReplyOptions
    options: ReplyOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Shares of replies; lower is better but for distinct words."""
        bad = ("speaks for others", "leaves the role", "says nothing", "repeats itself", "copies the dialogue")
        return (
            *(Metric(name, mean_of(name), higher_is_better=False) for name in bad),
            Metric("distinct-2", mean_of("distinct-2")),
            Metric("words", mean_of("words"), higher_is_better=None),
        )

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a reply."""
        return generation_items(data, self.options, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Let the model speak, and look at what it says."""
        return [guarded(item, made_up(item, player, self.options, data).text) for item in items]

    def floors(self, items: Sequence[Item], data: EvaluationData) -> dict[str, list[Record]]:
        """The true replies, by the same rules."""
        return {"true replies": [guarded(item, item.candidates[0]) for item in items]}

    def details(self, records: Sequence[Record]) -> dict[str, Any]:
        """Distinct-n over all replies together, which says how much alike they are."""
        texts = [words_of(str(record.shown.get("reply", ""))) for record in records]
        return {"distinct over all": {str(n): round(distinct(texts, n), 4) for n in (1, 2, 3)}}


def guarded(item: Item, text: str) -> Record:
    """What there is to say against a reply."""
    words = words_of(text)
    before = {gram for turn in before_reply(item).turns for gram in n_grams(words_of(turn.text), _COPIED_WORDS)}
    other = speaks_for(text, item.dialogue, item.speaker)
    left = _OUT_OF_ROLE.search(text)
    values = {
        "speaks for others": float(other is not None),
        "leaves the role": float(left is not None),
        "says nothing": float(not words),
        "repeats itself": repetition(words),
        "copies the dialogue": float(any(gram in before for gram in n_grams(words, _COPIED_WORDS))),
        "distinct-2": distinct([words], 2) if len(words) > 1 else None,
        "words": len(words),
    }
    shown = {"reply": text, "speaks for": other, "out of role": left[0] if left else None}
    return Record(item.id, item.cluster, values, shown)
