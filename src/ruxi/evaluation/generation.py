"""Replies that a model makes up, for the tasks that look at them.

All such tasks ask for the same replies (same items, same dice), so that each is made once when they run together.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from pydantic import Field

from ruxi.evaluation.replies import Turns, before_reply, reply_items
from ruxi.evaluation.task import Item, TaskOptions
from ruxi.runtime import Sampling

if TYPE_CHECKING:
    from ruxi.dialogues import Dialogue
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player, Spoken

_LABEL = re.compile(r"^\s*([^\n:：]{1,40})[:：]", re.MULTILINE)


class GenerationOptions(TaskOptions):
    """How a model makes up what it says."""

    max_tokens: int = Field(96, gt=0)
    """Longest reply."""
    temperature: float = Field(0.8, ge=0)
    """0 always takes the likeliest token."""


class ReplyOptions(GenerationOptions):
    """Options of tasks that look at replies in the dialogues of a data set."""

    turns: Turns = "last"
    """Which replies of a dialogue are made up: its last turn, or all of them."""


def generation_items(data: EvaluationData, options: ReplyOptions, seed: int) -> list[Item]:
    """One item a reply, each with dice of its own."""
    return [
        Item(**{**item.__dict__, "facts": {**item.facts, "dice": random.Random(f"{seed}/{item.id}").getrandbits(32)}})
        for item in reply_items(data, options, seed, options.turns)
    ]


def made_up(item: Item, player: Player, options: GenerationOptions, data: EvaluationData) -> Spoken:
    """What the model says instead of the item's true reply."""
    prompt = player.prompt(item.character, before_reply(item), item.speaker, options, data.media)
    sampling = Sampling(temperature=options.temperature, max_tokens=options.max_tokens, seed=item.facts["dice"])
    return player.reply(prompt, item.speaker, data.media, sampling)


def speaks_for(text: str, dialogue: Dialogue, speaker: str) -> str | None:
    """The other person in whose name a reply speaks, as in `User: Hello`; None when it keeps to its role."""
    others = {member.name.casefold() for member in dialogue.cast} | {turn.speaker.casefold() for turn in dialogue.turns}
    others -= {speaker.casefold()}
    others |= {"user", "human", "{{user}}"} - {speaker.casefold()}
    return next((found[1] for found in _LABEL.finditer(text) if found[1].strip(" *_[]").casefold() in others), None)
