"""Dialogues that share most of their words, in the same split (a repetition) or across splits (leakage)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np

from ruxi.dialogues.checks.fault import Checked, Fault
from ruxi.dialogues.checks.minhash import Matches, Signatures
from ruxi.dialogues.checks.scratch import Scratch
from ruxi.dialogues.schema import Split

DEFAULT_THRESHOLD = 0.8
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
"""In the order in which a dialogue has to leave when another split holds the same: what measures stays whole."""
LEAK_REMEDY = "Split again by dialogue, character or source with `ruxi data split`, or take this dialogue out."


class NearDuplicatesCheck:
    """Compares the words of all dialogues by MinHash.

    Args:
        scratch: Where signatures are kept.
        threshold: Share of common three-word sequences from which two dialogues count as near-duplicates.
    """

    name: ClassVar[str] = "near_duplicates"

    def __init__(self, scratch: Scratch, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._scratch = scratch
        self._threshold = threshold
        self._signatures = Signatures(scratch.folder / "signatures")
        self._ranks = array("b")

    def look(self, record: Checked) -> Iterable[Fault]:
        """Remember the dialogue's signature."""
        if self._signatures.add(record.row, [word for words in record.turn_words for word in words]):
            split = record.dialogue.split
            self._ranks.append(SPLITS.index(split) if split else -1)
        return ()

    def finish(self) -> Iterable[Fault]:
        """Compare the dialogues."""
        matches = self._signatures.matches(self._threshold)
        yield from self._repetitions(matches)
        yield from self._leaks(matches)

    def _repetitions(self, matches: Matches) -> Iterator[Fault]:
        ranks, rows, partner = self._ranks, matches.rows, matches.partner
        for later in np.flatnonzero(partner >= 0).tolist():
            earlier = int(partner[later])
            if ranks[earlier] == ranks[later]:
                yield Fault(
                    self.name,
                    "hint",
                    f"it shares about {matches.similarity[later]:.0%} of its words with"
                    f" {self._scratch.place(int(rows[earlier]))}",
                    "Keep one of them unless the difference matters.",
                    repair="drop_dialogue",
                    safe=False,
                    row=int(rows[later]),
                )

    def _leaks(self, matches: Matches) -> Iterator[Fault]:
        """In each family of like dialogues, those that resemble one of a later split."""
        ranks, partner = self._ranks, matches.partner
        root = np.arange(len(partner), dtype=np.int32)
        staying = root.copy()
        matched = np.flatnonzero(partner >= 0).tolist()
        for index in matched:  # A partner always stands earlier, so its root is known.
            root[index] = root[partner[index]]
            if ranks[index] > ranks[staying[root[index]]]:
                staying[root[index]] = index
        for index in sorted({*matched, *root[matched].tolist()}):
            other = int(staying[root[index]])
            if 0 <= ranks[index] < ranks[other]:
                similarity = matches.compare(index, other)
                if similarity >= self._threshold:
                    yield Fault(
                        "leakage",
                        "error",
                        f"it is in split {SPLITS[ranks[index]]!r} and shares about {similarity:.0%} of its words with"
                        f" {self._scratch.place(int(matches.rows[other]))} in split {SPLITS[ranks[other]]!r}",
                        LEAK_REMEDY,
                        repair="drop_dialogue",
                        row=int(matches.rows[index]),
                    )
