"""Word times moved to where the sound itself begins and ends.

Recognisers place a word's edges by attention, which reaches into the pause beside it: Whisper lets the first word after
a pause begin a quarter of a second early. Where a word borders on silence, its edge is taken from the sound's energy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ruxi.dialogues.schema import Word
from ruxi.media import Audio

_HOP = 0.005
_WINDOW = 0.01
_ABOVE_NOISE = 12.0
_BELOW_SPEECH = 30.0
"""Decibels: what is so much louder than the quietest tenth, or so little softer than the loudest, is speech."""
_FARTHEST = 0.4
"""Seconds by which an edge may be moved outwards."""
_SHORTEST = 0.03
"""Seconds that every word keeps."""


def settle_words(words: Sequence[Word], sound: Audio) -> list[Word]:
    """Move the edges of words that border on silence.

    Args:
        words: In order, in seconds from the sound's own start.
        sound: What they were heard in.
    """
    loud = _loud(sound)
    settled: list[Word] = []
    for index, word in enumerate(words):
        before = settled[-1].end if settled else 0.0
        after = words[index + 1].start if index + 1 < len(words) else sound.duration
        start = max(before, _start(loud, word, max(before, word.start - _FARTHEST)))
        end = max(start, _end(loud, word, min(after, word.end + _FARTHEST)))
        settled.append(word.model_copy(update={"start": round(start, 3), "end": round(end, 3)}))
    return settled


def _loud(sound: Audio) -> npt.NDArray[np.bool_]:
    """Whether somebody speaks, every 5 ms, bool `[frames]`."""
    hop, window = int(_HOP * sound.rate), int(_WINDOW * sound.rate)
    if len(sound.samples) < window:
        return np.zeros(1, dtype=np.bool_)
    squares = np.concatenate([[0.0], np.cumsum(sound.samples.astype(np.float64) ** 2)])
    starts = np.arange(0, len(sound.samples) - window + 1, hop)
    energy = (squares[starts + window] - squares[starts]) / window
    decibels = 10 * np.log10(energy + 1e-12)
    quiet, speech = np.percentile(decibels, [10, 95])
    loud: npt.NDArray[np.bool_] = decibels > min(max(quiet + _ABOVE_NOISE, speech - _BELOW_SPEECH), speech)
    return loud


def _start(loud: npt.NDArray[np.bool_], word: Word, earliest: float) -> float:
    at, last, first = (_frame(loud, time) for time in (word.start, word.end - _SHORTEST, earliest))
    if not loud[at]:
        spoken = np.flatnonzero(loud[at : max(at, last) + 1])
        return (at + int(spoken[0])) * _HOP if len(spoken) else word.start
    silent = np.flatnonzero(~loud[first : at + 1])
    return (first + int(silent[-1]) + 1) * _HOP if len(silent) else word.start


def _end(loud: npt.NDArray[np.bool_], word: Word, latest: float) -> float:
    at, first, last = (_frame(loud, time) for time in (word.end, word.start + _SHORTEST, latest))
    if not loud[at]:
        spoken = np.flatnonzero(loud[min(first, at) : at + 1])
        return (min(first, at) + int(spoken[-1]) + 1) * _HOP if len(spoken) else word.end
    silent = np.flatnonzero(~loud[at : last + 1])
    return (at + int(silent[0])) * _HOP if len(silent) else word.end


def _frame(loud: npt.NDArray[np.bool_], time: float) -> int:
    return min(max(0, int(time / _HOP)), len(loud) - 1)
