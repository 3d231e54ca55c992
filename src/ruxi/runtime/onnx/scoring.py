"""Log-likelihoods of replies and perceptions of prompts, with what they share computed once.

Candidate replies to one dialogue differ in their last turn only: their common context is read once, and the slot is cut
back to it before each candidate. Dialogues that share a beginning go on from one another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ruxi.prompt import Prompt
from ruxi.runtime.marked import context_key, first_marked, marked_turns, up_to
from ruxi.runtime.onnx.decoder import Result
from ruxi.runtime.onnx.graphs import Floats
from ruxi.runtime.onnx.layout import Integers, Layout
from ruxi.runtime.onnx.memory import Slot
from ruxi.runtime.onnx.reading import Reading, Reads
from ruxi.runtime.protocol import Feelings

LayOut = Callable[[Prompt, Sequence[int], int | None], Layout]
"""Lays a prompt out: guided turns, and the first token that must be read anew."""

Open = Callable[[Slot, Layout], Reading]
"""Begins to read a layout into a slot."""


def first_layout(prompts: Sequence[Prompt], lay_out: LayOut) -> Layout:
    """The layout of the first thing that `score` reads."""
    group = next(iter(_groups(prompts)))
    return _whole(prompts[group[0]], lay_out) if len(group) == 1 else _context(prompts[group[0]], lay_out)


def score(prompts: Sequence[Prompt], scores: list[Floats], slot: Slot, lay_out: LayOut, open_reading: Open) -> Reads:
    """Score the tokens that `Prompt.loss_mask` marks.

    Args:
        prompts: What to score.
        scores: Takes the natural log-probability of each marked token, one array a prompt; filled in place.
        slot: Where the prompts are read.
        lay_out: See `LayOut`.
        open_reading: See `Open`.
    """
    for group in _groups(prompts):
        if len(group) == 1:
            prompt = prompts[group[0]]
            marked = [index for index, wanted in enumerate(prompt.loss_mask) if wanted]
            layout = _whole(prompt, lay_out)
            positions = layout.text[np.array(marked) - 1]
            found = _Scores(positions, layout.ids[layout.text[marked]])
            slot.cut(slot.common(layout))
            yield from open_reading(slot, layout).prompt(positions.tolist(), found.take)
            scores[group[0]] = found.values
        else:
            yield from _score_candidates(
                [prompts[index] for index in group], group, scores, slot, lay_out, open_reading
            )


def perceive(
    prompts: Sequence[Prompt], feelings: list[Feelings], slot: Slot, lay_out: LayOut, open_reading: Open
) -> Reads:
    """Perceive what each prompt's last turn before the reply wants and feels.

    Args:
        prompts: The prompts.
        feelings: Takes what is perceived, by prompt; filled in place.
        slot: Where the prompts are read.
        lay_out: See `LayOut`.
        open_reading: See `Open`.
    """
    for index, prompt in enumerate(prompts):
        layout = lay_out(prompt, [prompt.turn_ids[-1]], None)
        if not layout.guided:
            continue
        end = layout.starts[1]
        hidden: list[Floats] = []

        def take(_: object, result: Result, hidden: list[Floats] = hidden) -> None:
            hidden.append(result.hidden_states[-1].copy())

        slot.cut(slot.common(layout))
        reading = open_reading(slot, layout)
        begin = slot.length
        yield from reading.read(layout.ids[begin:end], layout.turns[begin:end], [end - 1], take)
        reading.guide(hidden[-1], end)
        feelings[index] = reading.perception or {}


def _score_candidates(
    prompts: Sequence[Prompt],
    indices: Sequence[int],
    scores: list[Floats],
    slot: Slot,
    lay_out: LayOut,
    open_reading: Open,
) -> Reads:
    cut = prompts[0].loss_mask.index(True)
    layout = _context(prompts[0], lay_out)
    slot.cut(slot.common(layout))
    reading = open_reading(slot, layout)
    end = len(layout.ids)
    opening: list[Floats] = []

    def take(_: object, result: Result) -> None:
        opening.append(result.logits[-1:].copy())

    yield from reading.prompt([end - 1], take)
    for index, prompt in zip(indices, prompts, strict=True):
        ids, turns = (np.array(given[cut:], np.int64) for given in (prompt.input_ids, prompt.turn_ids))
        marked = np.flatnonzero(prompt.loss_mask[cut:])
        found = _Scores(end + marked[1:] - 1, ids[marked[1:]])
        slot.cut(end)
        size = int(marked[-1])
        yield from reading.read(ids[:size], turns[:size], found.positions.tolist(), found.take)
        scores[index] = np.concatenate([_log_probabilities(opening[0], ids[:1]), found.values])
    slot.cut(end)


class _Scores:
    """Log-probabilities of tokens as their logits come in.

    Args:
        positions: From which positions the tokens are predicted, in order.
        tokens: The tokens.
    """

    def __init__(self, positions: Integers, tokens: Integers) -> None:
        self.positions = positions
        self.values = np.zeros(len(positions), np.float32)
        self._tokens = tokens
        self._filled = 0

    def take(self, positions: Sequence[int], result: Result) -> None:
        """Take in the results of the next of the positions."""
        end = self._filled + len(positions)
        self.values[self._filled : end] = _log_probabilities(result.logits, self._tokens[self._filled : end])
        self._filled = end


def _log_probabilities(logits: Floats, tokens: Integers) -> Floats:
    """Natural log-probability of tokens `[n]` given logits `[n, vocabulary]`."""
    best = logits.max(axis=1)
    chosen = logits[np.arange(len(tokens)), tokens] - best
    found: Floats = chosen - np.log(np.exp(logits - best[:, None]).sum(axis=1))
    return found


def _groups(prompts: Sequence[Prompt]) -> Iterator[list[int]]:
    """Indices of prompts that are scored together: those of one context and a single marked turn."""
    groups: dict[object, list[int]] = {}
    for index, prompt in enumerate(prompts):
        cut = first_marked(prompt)
        if cut is not None:
            alone = None if len(marked_turns(prompt)) == 1 else index
            groups.setdefault((context_key(prompt, cut), alone), []).append(index)
    yield from groups.values()


def _whole(prompt: Prompt, lay_out: LayOut) -> Layout:
    return lay_out(prompt, marked_turns(prompt), prompt.loss_mask.index(True) - 1)


def _context(prompt: Prompt, lay_out: LayOut) -> Layout:
    """The part of a prompt before its first marked token."""
    return lay_out(up_to(prompt, prompt.loss_mask.index(True)), marked_turns(prompt), None)
