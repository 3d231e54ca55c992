"""Packing: whole dialogues side by side in rows, each with its own media.

Rows are filled first-fit in a shuffled order. Nothing is cut and nothing crosses: attention, turns and media know the
segment that they belong to. The order of all batches is fixed by the seed before training begins, which is what makes
a resumed run see exactly what an unbroken one would have seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ruxi.features import FeatureSequence
from ruxi.model import STREAM_OF_KIND, GuidanceInputs, MediaInputs, Placed, media_inputs
from ruxi.training.examples import NO_LABEL, Example, Medium

Row = tuple[int, ...]
"""Indices of the examples that share a row."""

_OPEN_ROWS = 64
"""Rows kept open while packing; more fills better and takes longer."""


def pack(lengths: Sequence[int], order: Sequence[int], capacity: int) -> list[Row]:
    """Fill rows first-fit.

    Args:
        lengths: Tokens of each example.
        order: Examples in the order in which they are placed.
        capacity: Tokens in a row.

    Returns:
        Rows in the order in which they were begun.
    """
    rows: list[list[int]] = []
    open_rows: list[tuple[int, int]] = []
    for index in order:
        length = lengths[index]
        for place, (row, room) in enumerate(open_rows):
            if length <= room:
                rows[row].append(index)
                open_rows[place] = (row, room - length)
                break
        else:
            rows.append([index])
            open_rows.append((len(rows) - 1, capacity - length))
            if len(open_rows) > _OPEN_ROWS:
                open_rows.remove(min(open_rows, key=lambda entry: entry[1]))
    return [tuple(row) for row in rows]


def epoch_order(counts: Sequence[int], weights: Sequence[float], epoch: int, seed: int) -> list[int]:
    """Which examples an epoch sees, in which order.

    Args:
        counts: Examples of each source; they are numbered through.
        weights: How often each source is seen in an epoch; fractions are drawn anew each time.
        epoch: Number of the epoch, from 0.
        seed: With the epoch it decides everything.
    """
    rng = random.Random(f"{seed}/{epoch}")
    order: list[int] = []
    for start, count, weight in zip(np.cumsum([0, *counts]), counts, weights, strict=False):
        mine = range(int(start), int(start) + count)
        whole, part = divmod(weight, 1.0)
        order += list(mine) * int(whole) + rng.sample(mine, round(part * count))
    rng.shuffle(order)
    return order


@dataclass(frozen=True)
class Batch:
    """Tensors of some packed rows.

    Attributes:
        input_ids: `[rows, n]`, padded on the right.
        attention_mask: 1 for real tokens, `[rows, n]`.
        turn_ids: `[rows, n]`.
        segment_ids: Packed example of each token, `[rows, n]`.
        labels: Token to be predicted at each position from those before it, or `NO_LABEL`, `[rows, n]`.
        media: Features by stream.
        says: For each stream, the sentence about each medium; None without.
        turn_rows: Row of each labelled turn, `[turns]`.
        turn_ends: Position of its last token, `[turns]`.
        emotions: Its emotion or `NO_LABEL`, `[turns]`.
        intents: Its intent or `NO_LABEL`, `[turns]`.
        replies: Row, segment, turn, user's emotion and intent, own emotion of each reply, `[replies, 6]`.
    """

    input_ids: Tensor
    attention_mask: Tensor
    turn_ids: Tensor
    segment_ids: Tensor
    labels: Tensor
    media: dict[str, MediaInputs]
    says: dict[str, list[str | None]]
    turn_rows: Tensor
    turn_ends: Tensor
    emotions: Tensor
    intents: Tensor
    replies: Tensor

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        moved: dict[str, Any] = {name: v.to(device) for name, v in vars(self).items() if isinstance(v, Tensor)}
        moved["media"] = {name: inputs.to(device) for name, inputs in self.media.items()}
        return replace(self, **moved)

    def guidance(self, persona: Tensor, emotions: int, intents: int) -> GuidanceInputs | None:
        """What the guidance tokens of the replies are made of, from the labels of the data.

        Args:
            persona: Mean persona embedding of each reply, `[replies, d]`.
            emotions: Labels of the emotion head.
            intents: Labels of the intent head.
        """
        if not len(self.replies):
            return None
        rows, segments, turns, user_emotion, user_intent, reply_emotion = self.replies.unbind(1)
        return GuidanceInputs(
            persona,
            _one_hot(user_emotion, emotions),
            _one_hot(user_intent, intents),
            _one_hot(reply_emotion, emotions),
            rows,
            turns,
            segments,
        )


class Collator:
    """Makes batches of packed rows.

    Args:
        examples: All examples.
        features: Features of a medium, or None when it has none.
        streams: Streams that the model knows.
        pad: Token id for padding.
        modality_dropout: Share of media that are hidden.
        seed: Decides which.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        features: Callable[[Medium], FeatureSequence | None],
        *,
        streams: Sequence[str],
        pad: int,
        modality_dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.examples = examples
        self.features = features
        self.streams = frozenset(streams)
        self.pad = pad
        self.modality_dropout = modality_dropout
        self.seed = seed

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Collate rows `{"row": examples, "number": position in the run}`; the labels are also given apart."""
        batch = self.collate([tuple(row["row"]) for row in rows], number=int(rows[0]["number"]))
        return {"batch": batch, "labels": batch.labels}

    def collate(self, rows: Sequence[Row], *, number: int = 0) -> Batch:
        """Tensors of some rows.

        Args:
            rows: Examples of each row.
            number: Position in the run; with the seed it decides which media are hidden.
        """
        rng = random.Random(f"{self.seed}/{number}")
        longest = max(sum(len(self.examples[i]) for i in row) for row in rows)
        shape = (len(rows), longest)
        input_ids = np.full(shape, self.pad, dtype=np.int64)
        mask, turns, segments = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        labels = np.full(shape, NO_LABEL, dtype=np.int64)
        placed: list[Placed] = []
        says: list[tuple[str, str | None]] = []
        labelled: list[tuple[int, int, int, int]] = []
        replies: list[tuple[int, int, int, int, int, int]] = []
        for row, members in enumerate(rows):
            at = 0
            for segment, index in enumerate(members):
                example = self.examples[index]
                span = slice(at, at + len(example))
                input_ids[row, span], turns[row, span] = example.input_ids, example.turn_ids
                mask[row, span], segments[row, span] = 1, segment
                # The first token of a dialogue must not be predicted from the one before it.
                targets = example.targets.copy()
                targets[0] = False
                labels[row, span] = np.where(targets, example.input_ids, NO_LABEL)
                for medium in example.media:
                    found = self._features(medium, rng)
                    if found is not None:
                        stream = STREAM_OF_KIND[medium.kind]
                        placed.append(Placed(stream, found, row, medium.turn, segment))
                        says.append((stream, medium.says))
                before = (NO_LABEL, NO_LABEL)
                for turn in example.turns:
                    if turn.emotion != NO_LABEL or turn.intent != NO_LABEL:
                        labelled.append((row, at + turn.position, turn.emotion, turn.intent))
                    if turn.is_reply:
                        replies.append((row, segment, turn.turn, *before, turn.emotion))
                    before = (turn.emotion, turn.intent)
                at = span.stop
            segments[row, at:] = len(members)
        turn_rows, turn_ends, emotions, intents = _columns(labelled, 4)
        return Batch(
            input_ids=torch.from_numpy(input_ids),
            attention_mask=torch.from_numpy(mask),
            turn_ids=torch.from_numpy(turns),
            segment_ids=torch.from_numpy(segments),
            labels=torch.from_numpy(labels),
            media=media_inputs(placed),
            says={stream: [words for s, words in says if s == stream] for stream in dict(says)},
            turn_rows=turn_rows,
            turn_ends=turn_ends,
            emotions=emotions,
            intents=intents,
            replies=torch.tensor(replies, dtype=torch.long).reshape(-1, 6),
        )

    def _features(self, medium: Medium, rng: random.Random) -> FeatureSequence | None:
        hidden = rng.random() < self.modality_dropout
        if hidden or STREAM_OF_KIND[medium.kind] not in self.streams:
            return None
        return self.features(medium)


def _columns(rows: Sequence[Sequence[int]], width: int) -> Sequence[Tensor]:
    return torch.tensor(rows, dtype=torch.long).reshape(-1, width).unbind(1)


def _one_hot(labels: Tensor, count: int) -> Tensor:
    known = labels != NO_LABEL
    return torch.nn.functional.one_hot(labels.clamp(min=0), count).float() * known[:, None]
