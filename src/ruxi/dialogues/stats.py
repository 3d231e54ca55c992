"""What is in a data set, in numbers: counted in one pass, with memory that does not grow with its size."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ruxi.dialogues.emotions import TO_BASIC
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.store import DialogueSet
from ruxi.files import sha256_of_bytes

_MOST_NAMES = 100_000


@dataclass
class Histogram:
    """How often each length occurs, in bins that double: 0, 1, 2-3, 4-7 and so on."""

    bins: Counter[int] = field(default_factory=Counter)
    count: int = 0
    total: int = 0
    longest: int = 0

    def add(self, length: int) -> None:
        """Count a length."""
        self.bins[length.bit_length()] += 1
        self.count += 1
        self.total += length
        self.longest = max(self.longest, length)

    @property
    def mean(self) -> float:
        """The mean length; 0 when nothing was counted."""
        return self.total / self.count if self.count else 0.0

    def rows(self) -> list[tuple[str, int]]:
        """Each bin as its range and its count, in order."""
        return [(_bin_name(number), self.bins[number]) for number in range(max(self.bins, default=-1) + 1)]


@dataclass
class Statistics:
    """What a data set holds.

    Attributes:
        dialogues: Readable dialogues.
        unreadable: Lines that cannot be read.
        turns: All turns.
        turns_per_dialogue: How many turns dialogues have.
        turn_lengths: How many characters of text turns have.
        speakers: Turns by speaker; rare ones are dropped when there are very many.
        kinds: Turns by what the speaker is in the cast; `?` for speakers outside of it.
        emotions: Turns by GoEmotions label.
        basic_emotions: The same by the 7 of MELD.
        intents: Turns by intent.
        languages: Dialogues by language; `?` for none.
        splits: Dialogues by split; `none` for those without one.
        held_out: Dialogues reserved for tests.
        media: Parts by kind of medium.
        with_media: Dialogues by kind of medium that they hold.
        absent_media: Parts whose medium is known but not there.
        characters: Character cards.
        media_files: Distinct media.
        media_bytes: Their size in bytes.
        duplicates: Dialogues whose words another dialogue before them has.
    """

    dialogues: int = 0
    unreadable: int = 0
    turns: int = 0
    turns_per_dialogue: Histogram = field(default_factory=Histogram)
    turn_lengths: Histogram = field(default_factory=Histogram)
    speakers: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    emotions: Counter[str] = field(default_factory=Counter)
    basic_emotions: Counter[str] = field(default_factory=Counter)
    intents: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    held_out: int = 0
    media: Counter[str] = field(default_factory=Counter)
    with_media: Counter[str] = field(default_factory=Counter)
    absent_media: int = 0
    characters: int = 0
    media_files: int = 0
    media_bytes: int = 0
    duplicates: int = 0


def statistics(data: DialogueSet, *, progress: Callable[[int], None] = lambda count: None) -> Statistics:
    """Count what a data set holds.

    Args:
        data: The data set.
        progress: Called with the number of dialogues so far.
    """
    found = Statistics(characters=len(data.character_ids()))
    words = array("Q")
    for record in data.records():
        if record.dialogue is None:
            found.unreadable += 1
            continue
        _count(record.dialogue, found)
        if (said := "\n".join(_words_of(record.dialogue))).strip():
            words.append(int(sha256_of_bytes(said.encode("utf-8", "replace"))[:16], 16))
        progress(found.dialogues)
    found.duplicates = len(words) - _distinct(words)
    for sha256 in data.media:
        found.media_files += 1
        found.media_bytes += data.media.path(sha256).stat().st_size
    return found


def _count(dialogue: Dialogue, found: Statistics) -> None:
    found.dialogues += 1
    found.turns += len(dialogue.turns)
    found.turns_per_dialogue.add(len(dialogue.turns))
    found.languages[dialogue.language or "?"] += 1
    found.splits[dialogue.split or "none"] += 1
    found.held_out += dialogue.holdout
    kinds = {member.name: member.kind for member in dialogue.cast}
    held: set[str] = set()
    for turn in dialogue.turns:
        found.turn_lengths.add(len(turn.text))
        found.speakers[turn.speaker] += 1
        found.kinds[kinds.get(turn.speaker, "?")] += 1
        if turn.emotion:
            found.emotions[turn.emotion] += 1
            found.basic_emotions[TO_BASIC[turn.emotion]] += 1
        if turn.intent:
            found.intents[turn.intent] += 1
        for part in turn.parts:
            if part.kind != "text" and part.media is None:
                found.absent_media += 1
            elif part.kind != "text":
                found.media[part.kind] += 1
                held.add(part.kind)
    found.with_media.update(held)
    if len(found.speakers) > 2 * _MOST_NAMES:
        found.speakers = Counter(dict(found.speakers.most_common(_MOST_NAMES)))


def _words_of(dialogue: Dialogue) -> Iterator[str]:
    """What makes two dialogues the same: words and media, whoever says them."""
    for turn in dialogue.turns:
        yield " ".join(turn.text.casefold().split())
        yield from (part.media for part in turn.parts if part.media)


def _distinct(values: Iterable[int]) -> int:
    import numpy as np

    return len(np.unique(np.fromiter(values, dtype=np.uint64)))


def _bin_name(number: int) -> str:
    low, high = (1 << number) >> 1, (1 << number) - 1
    return str(high) if low >= high else f"{low:,}-{high:,}"
