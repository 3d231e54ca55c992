"""Items that ask for a character's reply, and what distractors and floors are drawn from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ruxi.dialogues import Dialogue
from ruxi.errors import DataError
from ruxi.evaluation.data import EvaluationData, cluster_of
from ruxi.evaluation.task import Item, TaskOptions

Turns = Literal["last", "all"]


@dataclass(frozen=True)
class KnownReply:
    """A reply that stands in a data set.

    Attributes:
        text: Its words.
        speaker: Who speaks it.
        cluster: What its dialogue belongs to.
        language: Its language, if known.
    """

    text: str
    speaker: str
    cluster: str
    language: str | None


def reply_turns(dialogue: Dialogue, turns: Turns) -> list[int]:
    """Indices of a dialogue's turns that a character speaks in answer to somebody."""
    characters = {member.name for member in dialogue.cast if member.kind == "character"}
    found = [
        index
        for index, turn in enumerate(dialogue.turns)
        if index > 0 and turn.speaker in characters and turn.text.strip()
    ]
    return [index for index in found if index == len(dialogue.turns) - 1] if turns == "last" else found


def reply_items(data: EvaluationData, options: TaskOptions, seed: int, turns: Turns) -> list[Item]:
    """One item for each reply; the dialogue of an item ends with the reply.

    Args:
        data: The data set.
        options: The task's options.
        seed: Which items are drawn when `options.items` limits them.
        turns: The last turn of each dialogue, or every reply.

    Raises:
        DataError: There are no replies.
    """
    items = []
    for dialogue in data.dialogues(options):
        for index in reply_turns(dialogue, turns):
            speaker = dialogue.turns[index].speaker
            items.append(
                Item(
                    id=dialogue.id if turns == "last" else f"{dialogue.id}:{index}",
                    cluster=cluster_of(dialogue),
                    dialogue=dialogue.model_copy(update={"turns": dialogue.turns[: index + 1]}),
                    character=data.character(dialogue, speaker),
                    speaker=speaker,
                    candidates=(dialogue.turns[index].text,),
                    facts={"turn": index},
                )
            )
    if not items:
        where = "ends with" if turns == "last" else "has"
        raise DataError(
            f"no dialogue {where} a character's reply to somebody",
            where=str(data.path),
            remedy="Give the option turns=all, or other data." if turns == "last" else "Give other data.",
        )
    return drawn(items, options.items, seed)


def drawn(items: list[Item], number: int | None, seed: int) -> list[Item]:
    """Some items in their order, the same ones for the same seed; a smaller number gives a part of a larger one."""
    if number is None or number >= len(items):
        return items
    order = sorted(range(len(items)), key=lambda index: random.Random(f"{seed}/{items[index].id}").random())
    return [items[index] for index in sorted(order[:number])]


def known_replies(dialogues: Sequence[Dialogue]) -> Iterator[KnownReply]:
    """Every reply in some dialogues, once."""
    seen = set()
    for dialogue in dialogues:
        for index in reply_turns(dialogue, "all"):
            turn = dialogue.turns[index]
            if (turn.speaker, turn.text) not in seen:
                seen.add((turn.speaker, turn.text))
                yield KnownReply(turn.text, turn.speaker, cluster_of(dialogue), dialogue.language)


def before_reply(item: Item) -> Dialogue:
    """The item's dialogue without its last turn."""
    return item.dialogue.model_copy(update={"turns": item.dialogue.turns[:-1]})
