"""Packing: whole dialogues side by side in rows, each with its own media.

Rows are filled first-fit in a shuffled order. Nothing is cut and nothing crosses: attention, turns and media know the
segment that they belong to. The order of all batches is fixed by the seed before training begins, which is what makes
a resumed run see exactly what an unbroken one would have seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ruxi.features import FeatureSequence
from ruxi.model import STREAM_OF_KIND
from ruxi.training.batch import Batch, BatchFiller, Heard, Shown
from ruxi.training.examples import Example, Medium

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
        filler = BatchFiller(len(rows))
        written: list[tuple[int, int, Example, Shown]] = []
        for row, members in enumerate(rows):
            for index in members:
                example = self.examples[index]
                if example.rejected is not None:
                    # What the reference was shown must be shown: nothing of a pair is hidden.
                    worse = example.rejected.example
                    filler.add_pair(row, example, self._shown(example), self._shown(worse))
                    continue
                shown = self._shown(example, rng)
                start = filler.add(row, example, shown)
                if example.written is not None and _hears_all(example, shown):
                    written.append((row, start, example, shown))
        batch = filler.batch(self.pad)
        return replace(batch, heard=self._heard(written)) if written else batch

    def _heard(self, written: Sequence[tuple[int, int, Example, Shown]]) -> Heard:
        """The same dialogues with their speech in writing, and what else was shown in them."""
        row_of = {row: number for number, row in enumerate(dict.fromkeys(row for row, *_ in written))}
        filler = BatchFiller(len(row_of))
        here, there = [], []
        for row, start, example, shown in written:
            twin = example.written
            assert twin is not None  # noqa: S101 - the caller looked
            kept = [(medium, found) for medium, found in shown if medium.kind != "audio"]
            at = filler.add(row_of[row], twin.example, kept)
            here += [(row, start + int(position)) for position in twin.here]
            there += [(row_of[row], at + int(position)) for position in twin.there]
        return Heard(filler.batch(self.pad), torch.tensor(here).reshape(-1, 2), torch.tensor(there).reshape(-1, 2))

    def _shown(self, example: Example, rng: random.Random | None = None) -> Shown:
        """The media of an example that have features; with dice, some of them are hidden."""
        shown = []
        for medium in example.media:
            hidden = rng is not None and rng.random() < self.modality_dropout
            found = None if hidden or STREAM_OF_KIND[medium.kind] not in self.streams else self.features(medium)
            if found is not None:
                shown.append((medium, found))
        return shown


def _hears_all(example: Example, shown: Shown) -> bool:
    spoken = sum(medium.kind == "audio" for medium in example.media)
    return spoken > 0 and spoken == sum(medium.kind == "audio" for medium, _ in shown)
