"""A batch: tensors of some packed rows, and how rows are filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ruxi.features import FeatureSequence
from ruxi.model import STREAM_OF_KIND, GuidanceInputs, MediaInputs, Placed, media_inputs
from ruxi.training.examples import NO_LABEL, Example, Medium
from ruxi.training.pairs import PAIR_KINDS

Shown = Sequence[tuple[Medium, FeatureSequence]]
"""Media of an example with their features."""


@dataclass(frozen=True)
class Heard:
    """The dialogues of a batch whose speech is written out, and where they say the same.

    Attributes:
        batch: Them, packed, without the speech.
        here: Row and position of each state that predicts a reply's token, in the batch that hears, `[k, 2]`.
        there: The same states in the batch that reads, `[k, 2]`.
    """

    batch: Batch
    here: Tensor
    there: Tensor


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
        says: For each stream, the sentences about each medium.
        turn_rows: Row of each labelled turn, `[turns]`.
        turn_ends: Position of its last token, `[turns]`.
        emotions: Its emotion or `NO_LABEL`, `[turns]`.
        intents: Its intent or `NO_LABEL`, `[turns]`.
        replies: Row, segment, turn, user's emotion and intent, own emotion of each reply, `[replies, 6]`.
        pairs: Row, segment of the better and of the worse reply, index in `PAIR_KINDS` of each pair, `[pairs, 4]`.
        pair_labels: Tokens of both replies of each pair, or `NO_LABEL`, `[rows, n]`.
        references: Log-likelihood of both replies under the reference, float32 `[pairs, 2]`.
        heard: The dialogues with speech in writing; None when there are none or nobody asked for them.
    """

    input_ids: Tensor
    attention_mask: Tensor
    turn_ids: Tensor
    segment_ids: Tensor
    labels: Tensor
    media: dict[str, MediaInputs]
    says: dict[str, list[tuple[str, ...]]]
    turn_rows: Tensor
    turn_ends: Tensor
    emotions: Tensor
    intents: Tensor
    replies: Tensor
    pairs: Tensor
    pair_labels: Tensor
    references: Tensor
    heard: Heard | None = None

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        moved: dict[str, Any] = {name: v.to(device) for name, v in vars(self).items() if isinstance(v, Tensor)}
        moved["media"] = {name: inputs.to(device) for name, inputs in self.media.items()}
        if self.heard is not None:
            heard = self.heard
            moved["heard"] = Heard(heard.batch.to(device), heard.here.to(device), heard.there.to(device))
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


class BatchFiller:
    """Rows that are being filled, example by example.

    Args:
        rows: Number of rows.
    """

    def __init__(self, rows: int) -> None:
        self._examples: list[list[Example]] = [[] for _ in range(rows)]
        self._lengths = [0] * rows
        self._labels: list[list[npt.NDArray[np.int64]]] = [[] for _ in range(rows)]
        self._pair_labels: list[list[npt.NDArray[np.int64]]] = [[] for _ in range(rows)]
        self._placed: list[Placed] = []
        self._says: list[tuple[str, tuple[str, ...]]] = []
        self._labelled: list[tuple[int, int, int, int]] = []
        self._replies: list[tuple[int, int, int, int, int, int]] = []
        self._pairs: list[tuple[int, int, int, int]] = []
        self._references: list[tuple[float, float]] = []

    def add(self, row: int, example: Example, shown: Shown) -> int:
        """Put an example behind those that the row has; return the position of its first token."""
        start = self._lengths[row]
        targets = _targets(example)
        self._place(row, example, shown, labels=targets, pair_labels=np.full_like(targets, NO_LABEL))
        self._says += [(STREAM_OF_KIND[medium.kind], medium.says) for medium, _ in shown]
        for turn in example.turns:
            if turn.emotion != NO_LABEL or turn.intent != NO_LABEL:
                self._labelled.append((row, start + turn.position, turn.emotion, turn.intent))
        return start

    def add_pair(self, row: int, example: Example, shown: Shown, shown_with_worse: Shown) -> None:
        """Put an example and the worse reply that it carries side by side.

        The worse reply is in no other loss than that of its pair.
        """
        rejected = example.rejected
        assert rejected is not None  # noqa: S101 - the caller looked
        better = len(self._examples[row])
        self.add(row, example, shown)
        self._pair_labels[row][-1] = _targets(example)
        worse = _targets(rejected.example)
        self._place(row, rejected.example, shown_with_worse, labels=np.full_like(worse, NO_LABEL), pair_labels=worse)
        self._says += [(STREAM_OF_KIND[medium.kind], ()) for medium, _ in shown_with_worse]
        self._pairs.append((row, better, better + 1, PAIR_KINDS.index(rejected.kind)))
        self._references.append(rejected.reference)

    def batch(self, pad: int) -> Batch:
        """The rows as tensors.

        Args:
            pad: Token id for padding.
        """
        width = max(self._lengths)

        def rows(pieces: Sequence[Sequence[npt.NDArray[Any]]], padding: Sequence[int]) -> Tensor:
            array = np.empty((len(pieces), width), dtype=np.int64)
            for row, (mine, value) in enumerate(zip(pieces, padding, strict=True)):
                array[row, : self._lengths[row]] = np.concatenate(mine)
                array[row, self._lengths[row] :] = value
            return torch.from_numpy(array)

        count, examples = len(self._examples), self._examples
        segments = [[np.full(len(e.input_ids), n) for n, e in enumerate(row)] for row in examples]
        turn_rows, turn_ends, emotions, intents = _table(self._labelled, 4).unbind(1)
        return Batch(
            input_ids=rows([[e.input_ids for e in row] for row in examples], [pad] * count),
            attention_mask=rows([[np.ones(len(e.input_ids)) for e in row] for row in examples], [0] * count),
            turn_ids=rows([[e.turn_ids for e in row] for row in examples], [0] * count),
            segment_ids=rows(segments, [len(row) for row in examples]),
            labels=rows(self._labels, [NO_LABEL] * count),
            media=media_inputs(self._placed),
            says={stream: [words for s, words in self._says if s == stream] for stream in dict(self._says)},
            turn_rows=turn_rows,
            turn_ends=turn_ends,
            emotions=emotions,
            intents=intents,
            replies=_table(self._replies, 6),
            pairs=_table(self._pairs, 4),
            pair_labels=rows(self._pair_labels, [NO_LABEL] * count),
            references=torch.tensor(self._references, dtype=torch.float32).reshape(-1, 2),
        )

    def _place(
        self,
        row: int,
        example: Example,
        shown: Shown,
        *,
        labels: npt.NDArray[np.int64],
        pair_labels: npt.NDArray[np.int64],
    ) -> None:
        segment = len(self._examples[row])
        self._examples[row].append(example)
        self._lengths[row] += len(example.input_ids)
        self._labels[row].append(labels)
        self._pair_labels[row].append(pair_labels)
        for medium, found in shown:
            self._placed.append(Placed(STREAM_OF_KIND[medium.kind], found, row, medium.turn, segment))
        before = (NO_LABEL, NO_LABEL)
        for turn in example.turns:
            if turn.is_reply:
                self._replies.append((row, segment, turn.turn, *before, turn.emotion))
            before = (turn.emotion, turn.intent)


def _targets(example: Example) -> npt.NDArray[np.int64]:
    """The tokens that are to be predicted, `NO_LABEL` elsewhere."""
    targets = example.targets.copy()
    # The first token of a dialogue must not be predicted from the one before it.
    targets[0] = False
    return np.where(targets, example.input_ids, NO_LABEL).astype(np.int64)


def _table(rows: Sequence[Sequence[int]], width: int) -> Tensor:
    return torch.tensor(rows, dtype=torch.long).reshape(-1, width)


def _one_hot(labels: Tensor, count: int) -> Tensor:
    known = labels != NO_LABEL
    return torch.nn.functional.one_hot(labels.clamp(min=0), count).float() * known[:, None]
