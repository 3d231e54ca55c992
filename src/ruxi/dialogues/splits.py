"""Splits and folds by hash: the same dialogue goes to the same place whatever else is added.

A key (the dialogue's id, its group, a character) is hashed to a number between 0 and 1, which decides. With the key
`character` a dialogue has several: it goes to the most held-out place of them, so that no character of the test
split is ever seen in training. Held-out dialogues stay in the test split and in no fold.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ruxi.dialogues.rewrite import rewrite
from ruxi.dialogues.schema import Dialogue, Split
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import DataError, UsageError

_ORDER: Final[tuple[Split, ...]] = ("test", "validation", "train")
_GROUPS: Final = frozenset({"group", "campaign", "actor", "episode", "film", "game", "series"})
"""Names for the same key: what must not be divided is the dialogue's `group`, whatever it is in a data set."""

DEFAULT_RATIOS: Final[Mapping[Split, float]] = {"train": 0.8, "validation": 0.1, "test": 0.1}


@dataclass(frozen=True)
class Splitter:
    """Decides where dialogues go.

    Attributes:
        ratios: Share of each split; they must add up to 1.
        by: `dialogue`, `character`, `group` (also called `campaign`, `actor` and so on), or a field of the dialogue.
        seed: Another seed gives another division.
        keep: Splits whose dialogues stay where they are.
    """

    ratios: Mapping[Split, float] = field(default_factory=lambda: dict(DEFAULT_RATIOS))
    by: str = "dialogue"
    seed: int = 0
    keep: frozenset[Split] = frozenset()

    def __post_init__(self) -> None:
        if any(ratio < 0 for ratio in self.ratios.values()) or abs(sum(self.ratios.values()) - 1) > 1e-6:
            shown = ", ".join(f"{name}={ratio}" for name, ratio in self.ratios.items())
            raise UsageError(
                "the ratios do not add up to 1", where=shown, remedy="Write train=0.8,validation=0.1,test=0.1."
            )

    def split_of(self, dialogue: Dialogue) -> Split:
        """The split that a dialogue belongs to."""
        if dialogue.holdout:
            return "test"
        if dialogue.split in self.keep and dialogue.split is not None:
            return dialogue.split
        places = {self._split_at(share(key, self.seed)) for key in keys_of(dialogue, self.by)}
        return next(split for split in _ORDER if split in places)

    def _split_at(self, position: float) -> Split:
        edge = 0.0
        for split in _ORDER:
            edge += self.ratios.get(split, 0.0)
            if position < edge:
                return split
        return max(self.ratios, key=lambda split: self.ratios[split])


def keys_of(dialogue: Dialogue, by: str) -> list[str]:
    """What a dialogue must stay together with: at least one key.

    Args:
        dialogue: The dialogue.
        by: See `Splitter`. Where the dialogue has no such field its id stands for itself.
    """
    if by == "character":
        names = [member.character or member.name for member in dialogue.cast if member.kind == "character"]
        return sorted(set(names)) or [dialogue.id]
    if by in _GROUPS:
        return [dialogue.group or dialogue.id]
    if by != "dialogue":
        value = getattr(dialogue, by, None)
        return [dialogue.id if value is None else str(value)]
    return [dialogue.id]


def folds_of(dialogue: Dialogue, folds: int, *, by: str = "dialogue", seed: int = 0) -> list[int]:
    """The folds in which a dialogue is validated on; in all others it is trained on.

    There is one, or with several keys (`by="character"`) one for each of them, so that no character of a fold's
    validation part is in its training part. Held-out dialogues and those of the test split are in no fold.

    Args:
        dialogue: The dialogue.
        folds: How many folds there are.
        by: See `Splitter`.
        seed: Another seed gives another division.
    """
    if dialogue.holdout or dialogue.split == "test":
        return []
    return sorted({fold_of(key, folds, seed=seed) for key in keys_of(dialogue, by)})


def fold_of(key: str, folds: int, *, seed: int = 0) -> int:
    """The fold in which what has this key is validated on, from 0."""
    return min(int(share(key, seed + 1) * folds), folds - 1)


def share(key: str, seed: int) -> float:
    """A number from 0 up to 1 that depends on the key and the seed alone."""
    digest = hashlib.sha256(f"{seed}\0{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64


@dataclass
class SplitReport:
    """What a division gave: dialogues by split and by fold, and distinct keys by split."""

    dialogues: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    folds: Counter[int] = field(default_factory=Counter)
    held_out: int = 0


def split_dataset(
    path: str | Path,
    splitter: Splitter,
    *,
    folds: int | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> SplitReport:
    """Set the split (and the folds) of every dialogue of a data set in place.

    Args:
        path: The data set.
        splitter: Decides the splits.
        folds: Number of folds to note as well; None leaves folds away.
        progress: Called with the number of dialogues so far.

    Raises:
        DataError: No dialogue has the field that `splitter.by` names.
    """
    _check_key(DialogueSet.open(path), splitter.by)
    report = SplitReport()
    seen: set[tuple[str, int]] = set()

    def change(dialogue: Dialogue) -> Dialogue:
        split = splitter.split_of(dialogue)
        dialogue.split = split
        dialogue.folds = folds_of(dialogue, folds, by=splitter.by, seed=splitter.seed) if folds else []
        report.dialogues[split] += 1
        report.held_out += dialogue.holdout
        report.folds.update(dialogue.folds)
        if splitter.by != "dialogue":
            _count_keys(keys_of(dialogue, splitter.by), split, seen, report)
        return dialogue

    rewrite(path, change, progress=progress)
    return report


def _count_keys(keys: Iterable[str], split: Split, seen: set[tuple[str, int]], report: SplitReport) -> None:
    for key in keys:
        if (split, hash(key)) not in seen:
            seen.add((split, hash(key)))
            report.keys[split] += 1


def _check_key(data: DialogueSet, by: str) -> None:
    if by in ("dialogue", "character") or by in _GROUPS:
        return
    if not any(record.dialogue is not None and getattr(record.dialogue, by, None) for record in data.records()):
        raise DataError(
            f"no dialogue has a field {by!r}",
            where=str(data.path),
            remedy="Split by dialogue, character, group, or a field that the dialogues have.",
        )
