"""Introduction: asked who it is, does a character say its own name?

It is what people ask a character first. The model has read the card, and nothing was said before; the reply must hold a
word of the name. Titles do not count, because there are many captains, nor do single characters. A role that gives
another name of its own ("Natasha Romanoff" for Black Widow) counts as one that does not, because nothing here knows it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from ruxi.characters import Character
from ruxi.dialogues import CastMember, Dialogue, Turn
from ruxi.errors import DataError
from ruxi.evaluation.floors import words_of
from ruxi.evaluation.generation import GenerationOptions, made_up
from ruxi.evaluation.replies import drawn
from ruxi.evaluation.task import Item, Metric, Need, Record, Task, TaskOptions, mean_of

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player

_QUESTIONS = ("What is your name?", "May I ask who you are?", "Hello! I don't think we have met. Who am I talking to?")
_TITLE = re.compile(
    r"an|and|aunt|captain|count|dr|general|king|lady|lord|miss|mr|mrs|ms|of|old"
    r"|prince|princess|professor|queen|saint|sir|the|uncle"
)


class Introduction(Task):
    """Asks characters who they are."""

    name = "introduction"
    summary = "how often a character that is asked who it is says its own name"
    needs: ClassVar[frozenset[Need]] = frozenset({"generation"})
    batch: ClassVar[int] = 1
    Options: ClassVar[type[TaskOptions]] = GenerationOptions
    options: GenerationOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Share of the characters."""
        return (Metric("says its name", mean_of("says its name")),)

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a character with a card; which question it is asked is drawn by the seed."""
        cards: dict[str, Character] = {}
        for dialogue in data.dialogues(self.options):
            for member in dialogue.cast:
                if member.kind == "character" and member.character and _name_of(member.name):
                    cards.setdefault(member.name, data.character(dialogue, member.name))
        if not cards:
            raise DataError("no character has a card", where=str(data.path), remedy="Give data like MMRole's.")
        items = []
        for name, card in cards.items():
            dice = random.Random(f"{seed}/{name}")
            turns = [Turn.of_text("User", dice.choice(_QUESTIONS)), Turn.of_text(name, f"I am {name}.")]
            cast = [CastMember(name="User", kind="user"), CastMember(name=name)]
            dialogue = Dialogue(id=name, cast=cast, turns=turns, language="en")
            items.append(Item(name, name, dialogue, card, name, facts={"dice": dice.getrandbits(32)}))
        return drawn(items, self.options.items, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Let the model speak, and look for the name."""
        records = []
        for item in items:
            reply = made_up(item, player, self.options, data).text
            found = not _name_of(item.speaker).isdisjoint(words_of(reply))
            records.append(Record(item.id, item.cluster, {"says its name": float(found)}, {"reply": reply}))
        return records


def _name_of(name: str) -> set[str]:
    """The words of a name by which it can be told."""
    return {word for word in words_of(name) if len(word) > 1 and not _TITLE.fullmatch(word)}
