"""Labels that nobody knows, and labels that their neighbours contradict."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple

import numpy as np

from ruxi.dialogues.checks.fault import Checked, Fault
from ruxi.dialogues.embedder import Embedder, WordEmbedder
from ruxi.dialogues.intents import INTENTS

_SAMPLE = 20_000
"""Labelled turns that are compared with each other; of a larger set a random sample, so that time stays bounded."""
_NEIGHBOURS = 10
_AGREEING = 0.7
_OWN = 0.1
_LEAST_SIMILARITY = 0.35
_CHUNK = 1024


class _Labelled(NamedTuple):
    row: int
    turn: int
    label: str
    text: str


class LabelsCheck:
    """Reports unknown intents, and turns whose ten nearest neighbours in meaning mostly carry one other label.

    Args:
        embedder: Tells which texts are alike; TF-IDF when None.
        noise: Whether to compare labels with their neighbours' at all.
    """

    name: ClassVar[str] = "labels"

    def __init__(self, embedder: Embedder | None = None, noise: bool = True) -> None:
        self._embedder = embedder or WordEmbedder()
        self._noise = noise
        self._samples = {"emotion": _Reservoir(), "intent": _Reservoir()}

    def look(self, record: Checked) -> Iterable[Fault]:
        """Report unknown intents; remember labelled turns."""
        for index, turn in enumerate(record.dialogue.turns):
            if turn.intent is not None and turn.intent not in INTENTS:
                yield Fault(
                    self.name,
                    "warning",
                    f"the intent {turn.intent!r} is not one of {', '.join(INTENTS)}",
                    "Map it to one of them, or take it out.",
                    turn=index,
                    repair="drop_field",
                    safe=False,
                    value=["turns", index, "intent"],
                )
            if self._noise and turn.text.strip():
                for field, sample in self._samples.items():
                    label = getattr(turn, field)
                    if label is not None:
                        sample.add(_Labelled(record.row, index, label, turn.text))

    def finish(self) -> Iterable[Fault]:
        """Compare each label with those of its neighbours."""
        for field, sample in self._samples.items():
            yield from self._doubtful(field, sample.items)

    def _doubtful(self, field: str, items: list[_Labelled]) -> Iterator[Fault]:
        names = sorted({item.label for item in items})
        if len(items) <= 2 * _NEIGHBOURS or len(names) < 2:
            return
        vectors = self._embedder.embed([item.text for item in items])
        labels = np.array([names.index(item.label) for item in items])
        common = np.bincount(labels, minlength=len(names)) / len(labels)
        for start in range(0, len(items), _CHUNK):
            similar = vectors[start : start + _CHUNK] @ vectors.T
            similar[np.arange(len(similar)), np.arange(start, start + len(similar))] = -np.inf
            nearest = np.argpartition(-similar, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
            close = np.take_along_axis(similar, nearest, axis=1).mean(axis=1)
            for offset, neighbours in enumerate(labels[nearest]):
                item, own = items[start + offset], labels[start + offset]
                shares = np.bincount(neighbours, minlength=len(names)) / _NEIGHBOURS
                best = int(shares.argmax())
                # A frequent label is near everything: it must be clearly more frequent here than in the whole set.
                expected = _AGREEING + (1 - _AGREEING) * common[best]
                if shares[best] >= expected and shares[own] <= _OWN and close[offset] >= _LEAST_SIMILARITY:
                    yield Fault(
                        self.name,
                        "hint",
                        f"{field} {item.label!r}, but {shares[best]:.0%} of the turns most like it are"
                        f" {names[best]!r} (by {self._embedder.name})",
                        "Listen or read again, and correct the label if it is wrong.",
                        turn=item.turn,
                        row=item.row,
                    )


class _Reservoir:
    """A fair sample of a stream of unknown length (algorithm R, Vitter 1985), the same one at every run."""

    def __init__(self) -> None:
        self.items: list[_Labelled] = []
        self._seen = 0
        self._random = random.Random(0)

    def add(self, item: _Labelled) -> None:
        self._seen += 1
        if len(self.items) < _SAMPLE:
            self.items.append(item)
        elif (place := self._random.randrange(self._seen)) < _SAMPLE:
            self.items[place] = item
