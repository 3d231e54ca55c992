"""A picture of an alignment, for a person who wants to see whether to trust it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ruxi.dialogues.alignment.align import Aligned, Alignment
from ruxi.dialogues.extra import require_extra
from ruxi.dialogues.schema import Word
from ruxi.media import Audio

_COLOURS = {"words": "#2a78b5", "clock": "#e09b2d", "none": "#c23b3b"}
_SPAN = 30.0
"""Seconds of sound that are shown with their words."""
_POINTS = 3000


def picture_of(alignment: Alignment, sound: Audio, heard: Sequence[Word]) -> bytes:
    """Draw an alignment.

    Above: how far the text's times are from the sound's, with the clock that was fitted. In the middle: every turn by
    confidence. Below: half a minute of the sound with the words that were heard and the turns before and after.

    Args:
        alignment: What was found.
        sound: The recording.
        heard: The recogniser's words.

    Returns:
        A PNG.

    Raises:
        DataError: The extra `data` is not installed.
    """
    figure_module = require_extra("matplotlib.figure")
    figure = figure_module.Figure(figsize=(11, 8.5), layout="constrained")
    clock_axes, trust_axes, sound_axes = figure.subplots(3, 1, height_ratios=[3, 2, 4])
    _draw_clock(clock_axes, alignment)
    _draw_confidence(trust_axes, alignment, sound)
    _draw_sound(sound_axes, alignment, sound, heard)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # Scripts that the font does not have.
        figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def _draw_clock(axes: Any, alignment: Alignment) -> None:
    text = np.array([pair[0] for pair in alignment.pairs])
    difference = np.array([pair[1] - pair[0] for pair in alignment.pairs])
    axes.scatter(text, difference, s=12, color="#555555", label="first and last words of turns")
    clock = alignment.clock
    if clock is not None and len(text):
        ends = np.array([text.min(), text.max()])
        label = f"offset {clock.offset:+.2f} s, drift {clock.drift * 100:+.3f} %"
        axes.plot(ends, clock.offset + clock.drift * ends, color=_COLOURS["words"], label=label)
        middle = float(np.median(clock.offset + clock.drift * text))
        axes.set_ylim(middle - 3, middle + 3)
    axes.set(title="Sound minus text", xlabel="time in the text (s)", ylabel="seconds")
    if alignment.pairs:
        axes.legend(loc="upper right")
    else:
        axes.text(0.5, 0.5, "the text has no times", transform=axes.transAxes, ha="center")


def _draw_confidence(axes: Any, alignment: Alignment, sound: Audio) -> None:
    for method, colour in _COLOURS.items():
        turns = [one for one in alignment.aligned if one.method == method]
        known = [one for one in turns if one.start is not None and one.end is not None]
        widths = [max(0.05, (one.end or 0.0) - (one.start or 0.0)) for one in known]
        label = {"words": "by words", "clock": "by the clock", "none": "not aligned"}[method]
        axes.bar(
            [0.0, *(one.start for one in known)],  # An empty bar gives the legend its colour.
            [0.0, *(one.confidence for one in known)],
            width=[0.0, *widths],
            align="edge",
            color=colour,
            label=f"{label}: {len(turns)}",
        )
    axes.set(title="Turns", xlabel="time in the sound (s)", ylabel="confidence")
    axes.set(ylim=(0, 1.4), xlim=(0, sound.duration))
    axes.legend(loc="upper right", ncols=3)


def _draw_sound(axes: Any, alignment: Alignment, sound: Audio, heard: Sequence[Word]) -> None:
    start = _interesting(alignment, sound)
    end = min(sound.duration, start + _SPAN)
    samples = sound.samples[int(start * sound.rate) : int(end * sound.rate)]
    step = max(1, len(samples) // _POINTS)
    peaks = np.abs(samples[: len(samples) // step * step].reshape(-1, step)).max(axis=1) if len(samples) else samples
    times = start + np.arange(len(peaks)) * step / sound.rate
    axes.fill_between(times, -peaks, peaks, color="#bbbbbb", linewidth=0)
    for word in heard:
        if start <= word.start < end:
            axes.text(word.start, 0.62, _plain(word.text), rotation=60, fontsize=6, va="bottom", clip_on=True)
            axes.plot([word.start, word.start], [0.45, 0.6], color="#555555", linewidth=0.6)
    for line, one in zip(alignment.lines, alignment.aligned, strict=True):
        if line.start is not None and line.end is not None and line.start < end and line.end > start:
            axes.plot([line.start, line.end], [-0.62, -0.62], color="#999999", linewidth=5, solid_capstyle="butt")
        if one.start is not None and one.end is not None and one.start < end and one.end > start:
            axes.plot(
                [one.start, one.end], [-0.75, -0.75], color=_COLOURS[one.method], linewidth=5, solid_capstyle="butt"
            )
            axes.text(max(one.start, start), -0.95, _plain(line.text[:24]), fontsize=6, clip_on=True)
    axes.set(
        title="Words that were heard; turns before (grey) and after alignment",
        xlabel="time in the sound (s)", xlim=(start, end), ylim=(-1, 1.25), yticks=[],
    )  # fmt: skip


def _interesting(alignment: Alignment, sound: Audio) -> float:
    """The begin of the half minute around the first doubtful turn that has a place, or else around the first turn."""
    placed = [one for one in alignment.aligned if one.start is not None]
    chosen: Aligned | None = next((one for one in placed if one.method != "words"), placed[0] if placed else None)
    start = (chosen.start or 0.0) - _SPAN / 3 if chosen is not None else 0.0
    return max(0.0, min(start, sound.duration - _SPAN))


def _plain(text: str) -> str:
    """Text that is drawn as it stands: a dollar sign would begin a formula."""
    return text.replace("$", r"\$")
