"""The marked tokens of a prompt, which are to be scored, and the context before them; the same for every engine."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from ruxi.errors import EngineError
from ruxi.prompt import Prompt


def first_marked(prompt: Prompt) -> int | None:
    """Where the context ends and the marked tokens begin; None when no token is marked.

    Raises:
        EngineError: The first token is marked: nothing predicts it.
    """
    first = next((index for index, marked in enumerate(prompt.loss_mask) if marked), None)
    if first == 0:
        raise EngineError(
            "the first token of a prompt cannot be scored: nothing stands before it", remedy="Mark later ones."
        )
    return first


def marked_turns(prompt: Prompt) -> list[int]:
    """The turns in which tokens are marked."""
    return sorted({turn for turn, marked in zip(prompt.turn_ids, prompt.loss_mask, strict=True) if marked})


def up_to(prompt: Prompt, end: int) -> Prompt:
    """The first tokens of a prompt."""
    ids, turns, mask = prompt.input_ids[:end], prompt.turn_ids[:end], prompt.loss_mask[:end]
    return replace(prompt, input_ids=ids, turn_ids=turns, loss_mask=mask)


def context_key(prompt: Prompt, end: int) -> Hashable:
    """The same for prompts that say and show the same in their first tokens."""
    slots = tuple((slot.kind, slot.media, slot.turn) for slot in prompt.slots)
    return prompt.input_ids[:end], prompt.turn_ids[:end], prompt.emotion, slots
