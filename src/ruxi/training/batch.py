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
from ruxi.training.examples import NO_LABEL, Example, Medium, TurnLabels
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
class Choices:
    """The replies of a batch among which the true one is to be found, and the same replies alone.

    Attributes:
        here: Row and position of the state that predicts each of their tokens, `[k, 2]`.
        tokens: The tokens, `[k]`.
        candidate: Number of the reply that each token belongs to, `[k]`; the first of every `size` is the true one.
        size: Replies of one choice.
        alone: The replies, packed, without what they answer.
        there: The states that predict the tokens in `alone`, `[k, 2]`.
    """

    here: Tensor
    tokens: Tensor
    candidate: Tensor
    size: int
    alone: Batch
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
        branch_ids: 0 in the trunk of a dialogue, 1 and more in the replies that branch off from it, `[rows, n]`; None
            when there are none.
        choices: The replies to choose from; None when there are none.
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
    branch_ids: Tensor | None = None
    choices: Choices | None = None

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        moved: dict[str, Any] = {name: v.to(device) for name, v in vars(self).items() if isinstance(v, Tensor)}
        moved["media"] = {name: inputs.to(device) for name, inputs in self.media.items()}
        for name in ("heard", "choices"):
            twin = getattr(self, name)
            if twin is not None:
                parts = {n: v.to(device) for n, v in vars(twin).items() if isinstance(v, Tensor | Batch)}
                moved[name] = replace(twin, **parts)
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
        self._tokens: dict[str, list[list[npt.NDArray[Any]]]] = {
            name: [[] for _ in range(rows)]
            for name in ("input_ids", "turn_ids", "segment_ids", "branch_ids", "labels", "pair_labels")
        }
        self._lengths = [0] * rows
        self._segments = [0] * rows
        self._placed: list[Placed] = []
        self._says: list[tuple[str, tuple[str, ...]]] = []
        self._labelled: list[tuple[int, int, int, int]] = []
        self._replies: list[tuple[int, int, int, int, int, int]] = []
        self._pairs: list[tuple[int, int, int, int]] = []
        self._references: list[tuple[float, float]] = []
        self._choosing: _Choosing | None = None

    def add(self, row: int, example: Example, shown: Shown) -> int:
        """Put an example behind those that the row has; return the position of its first token.

        Other replies follow it, as branches of the same dialogue: those to choose from are in no other loss, those that
        are right as well are learnt but for their first token, which stands behind another branch.
        """
        start = self._lengths[row]
        self._place(row, example, shown, labels=_targets(example))
        self._says += [(STREAM_OF_KIND[medium.kind], medium.says) for medium, _ in shown]
        for turn in example.turns:
            if turn.emotion != NO_LABEL or turn.intent != NO_LABEL:
                self._labelled.append((row, start + turn.position, turn.emotion, turn.intent))
        if example.branches:
            self._branch(row, start, example)
        return start

    def add_pair(self, row: int, example: Example, shown: Shown, shown_with_worse: Shown) -> None:
        """Put an example and the worse reply that it carries side by side.

        The worse reply is in no other loss than that of its pair.
        """
        rejected = example.rejected
        assert rejected is not None  # noqa: S101 - the caller looked
        better = self._segments[row]
        self.add(row, example, shown)
        self._tokens["pair_labels"][row][-1] = _targets(example)
        self._place(row, rejected.example, shown_with_worse, pair_labels=_targets(rejected.example))
        self._says += [(STREAM_OF_KIND[medium.kind], ()) for medium, _ in shown_with_worse]
        self._pairs.append((row, better, better + 1, PAIR_KINDS.index(rejected.kind)))
        self._references.append(rejected.reference)

    def batch(self, pad: int) -> Batch:
        """The rows as tensors.

        Args:
            pad: Token id for padding.
        """
        width = max(self._lengths)

        def rows(name: str, *padding: int) -> Tensor:
            array = np.empty((len(self._lengths), width), dtype=np.int64)
            for row, pieces in enumerate(self._tokens[name]):
                array[row, : self._lengths[row]] = np.concatenate(pieces)
                array[row, self._lengths[row] :] = padding[row % len(padding)]
            return torch.from_numpy(array)

        branch_ids = rows("branch_ids", 0)
        turn_rows, turn_ends, emotions, intents = _table(self._labelled, 4).unbind(1)
        return Batch(
            input_ids=rows("input_ids", pad),
            attention_mask=(torch.arange(width) < torch.tensor(self._lengths)[:, None]).long(),
            turn_ids=rows("turn_ids", 0),
            segment_ids=rows("segment_ids", *self._segments),
            labels=rows("labels", NO_LABEL),
            media=media_inputs(self._placed),
            says={stream: [words for s, words in self._says if s == stream] for stream in dict(self._says)},
            turn_rows=turn_rows,
            turn_ends=turn_ends,
            emotions=emotions,
            intents=intents,
            replies=_table(self._replies, 6),
            pairs=_table(self._pairs, 4),
            pair_labels=rows("pair_labels", NO_LABEL),
            references=torch.tensor(self._references, dtype=torch.float32).reshape(-1, 2),
            branch_ids=branch_ids if branch_ids.any() else None,
            choices=None if self._choosing is None else self._choosing.choices(pad),
        )

    def _place(self, row: int, example: Example, shown: Shown, **labels: npt.NDArray[np.int64]) -> None:
        segment = self._segments[row]
        self._segments[row] += 1
        branches = np.zeros(len(example.input_ids), dtype=np.int64)
        if example.branches:
            branches[example.fork :] = 1
        self._append(row, example.input_ids, example.turn_ids, branches, **labels)
        for medium, found in shown:
            self._placed.append(Placed(STREAM_OF_KIND[medium.kind], found, row, medium.turn, segment))
        before = (NO_LABEL, NO_LABEL)
        for turn in example.turns:
            if turn.is_reply:
                self._replies.append((row, segment, turn.turn, *before, turn.emotion))
            before = (turn.emotion, turn.intent)

    def _branch(self, row: int, start: int, example: Example) -> None:
        """Let the other replies follow, and note where those to choose from are predicted."""
        fork = start + example.fork
        starts = [fork]
        for number, other in enumerate(example.branches, 2):
            turns = np.full(len(other), example.turn_ids[-1])
            labels = np.full(len(other), NO_LABEL)
            if number < 2 + len(example.others):
                starts.append(self._lengths[row])
            else:
                labels[1:] = other[1:]
            self._append(row, other, turns, np.full(len(other), number), labels=labels)
        if not example.others:
            return
        if self._choosing is None:
            self._choosing = _Choosing(len(starts))
        self._choosing.add(row, example, fork, starts)

    def _append(
        self,
        row: int,
        input_ids: npt.NDArray[Any],
        turn_ids: npt.NDArray[Any],
        branch_ids: npt.NDArray[Any],
        **labels: npt.NDArray[np.int64],
    ) -> None:
        """Put tokens behind those that the row has, in the segment begun last; those without labels teach nothing."""
        none = np.full(len(input_ids), NO_LABEL)
        given = {
            "input_ids": input_ids,
            "turn_ids": turn_ids,
            "segment_ids": np.full(len(input_ids), self._segments[row] - 1),
            "branch_ids": branch_ids,
            "labels": none,
            "pair_labels": none,
            **labels,
        }
        for name, pieces in self._tokens.items():
            pieces[row].append(given[name])
        self._lengths[row] += len(input_ids)


class _Choosing:
    """Replies to choose from, as they are put into rows.

    Args:
        size: Replies of one choice.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._here: list[tuple[int, int]] = []
        self._alone: list[tuple[int, Example]] = []
        self._replies: list[npt.NDArray[np.int32]] = []

    def add(self, row: int, example: Example, fork: int, starts: Sequence[int]) -> None:
        """Note the replies of an example.

        Args:
            row: Its row.
            example: The example.
            fork: Where its trunk ends in the row.
            starts: Where each reply stands in the row.
        """
        turn = example.turn_ids[-1]
        header = example.input_ids[: example.fork][example.turn_ids[: example.fork] == turn]
        replies = (example.input_ids[example.fork :], *example.others)
        for reply, start in zip(replies, starts, strict=True):
            self._here += [(row, position - 1) for position in (fork, *range(start + 1, start + len(reply)))]
            self._alone.append((row, _alone(example, np.concatenate([header, reply]), int(turn))))
        self._replies += replies

    def choices(self, pad: int) -> Choices:
        """All of them as tensors."""
        row_of = {row: number for number, row in enumerate(dict.fromkeys(row for row, _ in self._alone))}
        filler = BatchFiller(len(row_of))
        there = []
        for (row, alone), reply in zip(self._alone, self._replies, strict=True):
            end = filler.add(row_of[row], alone, ()) + len(alone)
            there += [(row_of[row], position - 1) for position in range(end - len(reply), end)]
        lengths = torch.tensor([len(reply) for reply in self._replies])
        return Choices(
            here=_table(self._here, 2),
            tokens=torch.from_numpy(np.concatenate(self._replies).astype(np.int64)),
            candidate=torch.arange(len(lengths)).repeat_interleave(lengths),
            size=self._size,
            alone=filler.batch(pad),
            there=_table(there, 2),
        )


def _alone(example: Example, input_ids: npt.NDArray[np.int32], turn: int) -> Example:
    """A reply with what opens it and nothing before, guided as evaluation scores it; it teaches nothing."""
    length = len(input_ids)
    return Example(
        id=example.id,
        group=example.group,
        input_ids=input_ids,
        turn_ids=np.full(length, turn, dtype=np.int32),
        targets=np.zeros(length, dtype=np.bool_),
        media=(),
        turns=(TurnLabels(turn, length - 1, NO_LABEL, NO_LABEL, True),),
    )


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
