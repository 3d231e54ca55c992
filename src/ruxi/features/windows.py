"""Cutting a long sound into windows that a speech encoder takes, at pauses where there are any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ruxi.media import SAMPLE_RATE

STATE_SAMPLES = 320
"""Samples under one encoder state: 20 ms, in Whisper as in wav2vec 2.0 and HuBERT."""

_SHORTEST_SHARE = 3
"""A pause in the first third of a window is not used: pieces of a few words lack context."""


@dataclass(frozen=True)
class Span:
    """A stretch of sound, in samples."""

    start: int
    end: int


@dataclass(frozen=True)
class Window(Span):
    """A stretch of sound that is encoded in one piece; it starts at a whole state."""

    @property
    def states(self) -> int:
        """Encoder states that stand for it; the last may reach beyond its end."""
        return -(-(self.end - self.start) // STATE_SAMPLES)

    def inside(self, spans: Sequence[Span]) -> list[tuple[float, float]]:
        """The parts of spans that lie in the window, in seconds from its start."""
        return [
            (
                (max(span.start, self.start) - self.start) / SAMPLE_RATE,
                (min(span.end, self.end) - self.start) / SAMPLE_RATE,
            )
            for span in spans
            if span.start < self.end and span.end > self.start
        ]


def cut(length: int, speech: Sequence[Span], longest: int) -> Iterator[Window]:
    """Windows that cover a sound without gaps or overlaps.

    Args:
        length: Samples of the sound.
        speech: Where somebody speaks, in order and without overlaps.
        longest: Most samples of one window.

    Yields:
        Windows in order. Each ends in the middle of the latest pause that it can reach, or is as long as allowed.
    """
    pauses = [(left.end + right.start) // 2 for left, right in pairwise(speech)]
    start = 0
    while length - start > longest:
        reachable = [pause for pause in pauses if start + longest // _SHORTEST_SHARE <= pause <= start + longest]
        end = (reachable[-1] if reachable else start + longest) // STATE_SAMPLES * STATE_SAMPLES
        yield Window(start, end)
        start = end
    if length > start:
        yield Window(start, length)
