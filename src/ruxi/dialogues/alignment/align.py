"""Times for the turns of dialogues that share one sound: words matched, clock fitted, doubtful turns marked.

Where the words of a turn were heard, its times are theirs. Where too few of them were heard, the turn keeps its own
times, corrected by the clock, and is marked so; without a clock it is marked as not aligned and its times stay as they
are. Every word gets a time and a confidence; words that were not heard stand between those that were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ruxi.dialogues.alignment.clock import Clock, fit_clock
from ruxi.dialogues.alignment.matching import (
    Match,
    Token,
    heard_tokens,
    match_tokens,
    shown_words,
    written_tokens,
)
from ruxi.dialogues.schema import Word

Method = Literal["words", "clock", "none"]

_TRUSTED = 0.5
"""Confidence from which a turn's times are taken from its words."""
_GUESSED = 0.3
"""Confidence of a word that was not heard and stands between words that were."""
_FARTHEST = 4.0
"""Seconds from the clock beyond which a match is a mistake, not a badly timed subtitle."""
_WINDOW = 90.0
"""Seconds before and after the text's own times in which its words are looked for."""


@dataclass(frozen=True)
class Line:
    """A turn's words before alignment.

    Attributes:
        text: What is said.
        start: When the text says so, in seconds; None when unknown.
        end: When it says that it ends.
    """

    text: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Aligned:
    """A turn's times after alignment.

    Attributes:
        method: `words` (its own words were heard), `clock` (the text's times, corrected), `none` (nothing is known).
        start: In seconds of the sound; None for `none`.
        end: In seconds of the sound.
        confidence: Between 0 and 1.
        words: Each written word with its time and confidence; none for `none`.
    """

    method: Method
    start: float | None
    end: float | None
    confidence: float
    words: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Alignment:
    """All lines of one sound.

    Attributes:
        lines: The lines as they were.
        aligned: One result a line.
        clock: Offset and drift of the text against the sound; None when the text has no times or too few agree.
        pairs: Text time and sound time of the line ends that were matched, for a picture.
    """

    lines: tuple[Line, ...]
    aligned: tuple[Aligned, ...]
    clock: Clock | None
    pairs: tuple[tuple[float, float], ...]


def align_lines(lines: Sequence[Line], heard: Sequence[Word]) -> Alignment:
    """Find out when lines are spoken.

    Args:
        lines: In the order in which they are spoken.
        heard: The words of a recogniser, in order.

    Raises:
        DataError: The extra `data` is not installed.
    """
    shown = [shown_words(line.text) for line in lines]
    tokens = [written_tokens(words) for words in shown]
    sounds = _in_window(lines, heard_tokens(heard))
    matched = _by_line(match_tokens([token for row in tokens for token in row], sounds), tokens)
    pairs = [
        pair
        for line, row, found in zip(lines, tokens, matched, strict=True)
        for pair in _pairs(line, row, found, sounds)
    ]
    clock = fit_clock([text for text, _ in pairs], [sound for _, sound in pairs])
    aligned, earliest = [], 0.0
    for line, words, row, found in zip(lines, shown, tokens, matched, strict=True):
        one = _align(line, words, row, _plausible(line, row, found, sounds, clock), sounds, clock, earliest)
        earliest = one.end if one.method == "words" and one.end is not None else earliest
        aligned.append(one)
    return Alignment(tuple(lines), tuple(_in_order(aligned)), clock, tuple(pairs))


def _in_window(lines: Sequence[Line], sounds: list[Token]) -> list[Token]:
    """Only what may belong to the lines: a film says "I know" more than once."""
    times = [time for line in lines for time in (line.start, line.end) if time is not None]
    if not times or any(line.start is None for line in lines):
        return sounds
    first, last = min(times) - _WINDOW, max(times) * 1.05 + _WINDOW
    return [sound for sound in sounds if first <= sound.start <= last]


def _by_line(matches: Sequence[Match], tokens: Sequence[Sequence[Token]]) -> list[list[Match]]:
    """Matches sorted into lines, with token indices within their line."""
    starts = np.cumsum([0, *(len(row) for row in tokens)])
    rows: list[list[Match]] = [[] for _ in tokens]
    for match in matches:
        line = int(np.searchsorted(starts, match.written, side="right")) - 1
        rows[line].append(Match(match.written - int(starts[line]), match.heard, match.similarity))
    return rows


def _pairs(line: Line, row: Sequence[Token], found: list[Match], sounds: list[Token]) -> list[tuple[float, float]]:
    """Text and sound time of a line's first and last heard word, if most of its words were heard."""
    if line.start is None or line.end is None or not found or len(found) < len(row) / 2:
        return []
    first, last = found[0], found[-1]
    begin, _ = _expected(line, row, first.written)
    _, end = _expected(line, row, last.written)
    pairs = [(begin, sounds[first.heard].start)]
    return [*pairs, (end, sounds[last.heard].end)] if last is not first else pairs


def _expected(line: Line, row: Sequence[Token], index: int) -> tuple[float, float]:
    """When a token should be spoken if every letter took the same time."""
    assert line.start is not None  # noqa: S101 - the callers look
    assert line.end is not None  # noqa: S101
    lengths = np.cumsum([0, *(len(token.text) + 1 for token in row)])
    shares = lengths / lengths[-1]
    span = line.end - line.start
    return line.start + span * float(shares[index]), line.start + span * float(shares[index + 1])


def _plausible(
    line: Line, row: Sequence[Token], found: list[Match], sounds: list[Token], clock: Clock | None
) -> list[Match]:
    """Matches that the clock does not contradict; the same words may be spoken elsewhere."""
    if clock is None or line.start is None or line.end is None:
        return found
    kept = []
    for match in found:
        begin, _ = _expected(line, row, match.written)
        if abs(sounds[match.heard].start - clock(begin)) <= _FARTHEST:
            kept.append(match)
    return kept


def _align(
    line: Line,
    words: list[str],
    row: list[Token],
    found: list[Match],
    sounds: list[Token],
    clock: Clock | None,
    earliest: float,
) -> Aligned:
    confidence = sum(match.similarity * _trust(sounds[match.heard]) for match in found) / max(1, len(row))
    if found and confidence >= _TRUSTED:
        timed = _timed(words, row, found, sounds, earliest)
        return Aligned("words", timed[0].start, timed[-1].end, round(min(1.0, confidence), 3), timed)
    if clock is not None and line.start is not None and line.end is not None:
        start, end = clock(line.start), clock(line.end)
        return Aligned("clock", start, end, round(_GUESSED * clock.agreeing, 3), _spread(words, start, end))
    return Aligned("none", None, None, 0.0)


def _in_order(aligned: list[Aligned]) -> list[Aligned]:
    """Lines placed by the clock, kept between the lines around them whose words were heard."""
    ordered = list(aligned)
    upper = float("inf")
    for index in range(len(ordered) - 1, -1, -1):
        one = ordered[index]
        if one.method == "words" and one.start is not None:
            upper = one.start
        elif one.method == "clock" and one.start is not None and one.end is not None:
            lower = next(
                (x.start for x in reversed(ordered[:index]) if x.method == "words" and x.start is not None), 0.0
            )
            start = min(max(one.start, lower), upper)
            end = max(start, one.end)
            words = one.words if start == one.start else _spread([word.text for word in one.words], start, end)
            ordered[index] = replace(one, start=start, end=end, words=words)
            upper = start
    return ordered


def _trust(sound: Token) -> float:
    """A recogniser's doubt about a word counts half when the text confirms the word."""
    return 0.5 + 0.5 * sound.confidence


def _timed(
    words: list[str], row: list[Token], found: list[Match], sounds: list[Token], earliest: float
) -> tuple[Word, ...]:
    """Times of all written words of a line, heard or not."""
    heard: dict[int, tuple[float, float, float]] = {}
    for match in found:
        sound, index = sounds[match.heard], row[match.written].word
        start, end, trust = heard.get(index, (sound.start, sound.end, 0.0))
        trust = max(trust, match.similarity * _trust(sound))
        heard[index] = (min(start, sound.start), max(end, sound.end), trust)
    rate = _seconds_a_letter(words, heard)
    timed: list[Word] = []
    at = 0
    while at < len(words):
        if at in heard:
            start, end, trust = heard[at]
            timed.append(Word(text=words[at], start=start, end=end, confidence=round(trust, 3)))
            at += 1
            continue
        stop = next((index for index in range(at, len(words)) if index in heard), len(words))
        length = rate * sum(len(word) for word in words[at:stop])
        begin = timed[-1].end if timed else None
        finish = heard[stop][0] if stop in heard else None
        if begin is None:
            assert finish is not None  # noqa: S101 - a line without a heard word is not timed
            begin = max(min(earliest, finish), finish - length)
        timed += _spread(words[at:stop], begin, begin + length if finish is None else max(begin, finish))
        at = stop
    return tuple(timed)


def _seconds_a_letter(words: list[str], heard: dict[int, tuple[float, float, float]]) -> float:
    seconds = sum(end - start for start, end, _ in heard.values())
    return seconds / max(1, sum(len(words[index]) for index in heard))


def _spread(words: list[str], start: float, end: float) -> tuple[Word, ...]:
    """Words that were not heard, evenly by letters over a stretch of time."""
    lengths = np.cumsum([0, *(len(word) for word in words)])
    if not words or not lengths[-1]:
        return ()
    times = [round(start + (end - start) * float(share), 3) for share in lengths / lengths[-1]]
    return tuple(
        Word(text=word, start=one, end=max(one, other), confidence=_GUESSED)
        for word, one, other in zip(words, times, times[1:], strict=False)
    )
