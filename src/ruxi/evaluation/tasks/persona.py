"""Persona: does a character keep to what its card says of it?

A statement of the card is put against its negation, and against a statement of somebody else, as answers to "Tell me
something about yourself." What a statement is worth without the persona is taken off, because negations and rare facts
are unlikely anywhere.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from ruxi.characters import Character
from ruxi.characters.statements import opposites
from ruxi.dialogues import CastMember, Dialogue, Turn
from ruxi.errors import DataError
from ruxi.evaluation.replies import drawn
from ruxi.evaluation.task import Item, Metric, Record, Task, TaskOptions, mean_of

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player


class Persona(Task):
    """Puts statements of a persona against what contradicts it."""

    name = "persona"
    summary = "what the card says, against its negation and against what it does not say"
    Options: ClassVar[type[TaskOptions]] = TaskOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Shares of statements that are kept."""
        return (
            Metric("kept over negated", mean_of("kept over negated")),
            Metric("kept over another's", mean_of("kept over another's")),
        )

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a character: a statement in the first person from its description, drawn by the seed."""
        statements: dict[str, tuple[Character, dict[str, str]]] = {}
        for dialogue in data.dialogues(self.options):
            for member in dialogue.cast:
                if member.kind == "character" and member.character and member.character not in statements:
                    card = data.character(dialogue, member.name)
                    found = opposites(card.description)
                    if found:
                        statements[member.character] = (card, found)
        if len(statements) < 2:
            raise DataError(
                "fewer than two characters are described in the first person",
                where=str(data.path),
                remedy="Give data like Synthetic-Persona-Chat.",
            )
        items = []
        for identifier, (card, found) in statements.items():
            dice = random.Random(f"{seed}/{identifier}")
            own = dice.choice(list(found))
            others = sorted(key for key in statements if key != identifier)
            other = dice.choice(list(statements[dice.choice(others)][1]))
            opening = Turn.of_text("User", "Tell me something about yourself.")
            cast = [CastMember(name="User", kind="user"), CastMember(name=card.call_name)]
            dialogue = Dialogue(id=identifier, cast=cast, turns=[opening])
            texts = (own, found[own], other)
            items.append(Item(identifier, identifier, dialogue, card, card.call_name, candidates=texts))
        return drawn(items, self.options.items, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Score each statement with and without the persona."""
        prompts = []
        for item in items:
            for card in (item.character, Character(name=item.character.name)):
                context = player.prompt(card, item.dialogue, item.speaker, self.options, data.media)
                prompts += [player.answered(context, text) for text in item.candidates]
        worth = [float(scores.sum()) for scores in player.log_likelihood(prompts, data.media)]
        records = []
        for place, item in enumerate(items):
            gains = [worth[6 * place + k] - worth[6 * place + 3 + k] for k in range(3)]
            own, against, other = gains
            values = {"kept over negated": _won(own, against), "kept over another's": _won(own, other)}
            chosen = gains.index(max(gains))
            shown = {"candidates": list(item.candidates), "gold": 0, "chosen": chosen, "pmi": gains}
            records.append(Record(item.id, item.cluster, values, shown))
        return records

    def floors(self, items: Sequence[Item], data: EvaluationData) -> dict[str, list[Record]]:
        """Chance: one in two."""
        even = {"kept over negated": 0.5, "kept over another's": 0.5}
        return {"chance": [Record(item.id, item.cluster, even) for item in items]}


def _won(one: float, other: float) -> float:
    return 0.5 if one == other else float(one > other)
