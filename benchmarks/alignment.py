"""How exactly `ruxi data align` finds words, offset and drift, on speech whose times are known.

    python benchmarks/alignment.py [--lines 24] [--json]

The Piper voice speaks a scene and tells the length of every phoneme: the truth. The scene's subtitles then get a known
offset and drift, a tenth of their words are changed, and every sixth line is one that is never spoken. Needs the parts
`piper-joe` and `whisper-base` (`ruxi pull`) and the extra `voice` with `onnx`.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ruxi import weights
from ruxi.dialogues.alignment import Line, align_lines, settle_words
from ruxi.features.whisper import Whisper
from ruxi.media import SAMPLE_RATE, Audio

SCENE = (
    "You came back sooner than I thought, captain.",
    "The wind turned against us before we reached the cape.",
    "And the cargo? The merchants have been asking since Monday.",
    "Half of it lies at the bottom of the bay, I am afraid.",
    "Then somebody will have to tell them, and it will not be me.",
    "Give me an hour and a dry coat, and I will go myself.",
    "There is soup on the stove and a letter on the table.",
    "A letter from whom? Nobody knows that I am here.",
    "It has a green seal, and the boy who brought it ran away.",
    "Green is the colour of the queen's own messengers.",
    "Do not open it near the window, they may be watching.",
    "You worry too much, old friend, but I will close the shutters.",
    "What does it say? Your face has gone as white as chalk.",
    "She wants a ship, and she wants it before the full moon.",
    "We have no ship, only a wreck and eleven tired sailors.",
    "We have the grey one in the upper dock, if the price is right.",
    "That ship is cursed, every carpenter in town will tell you so.",
    "I have sailed under worse curses than a leaking bow.",
    "Then I am coming with you, and do not try to argue.",
    "I would not dream of it, there is nobody who cooks like you.",
    "Pack the charts and the medicine, leave everything else.",
    "Even the parrot? He has been asking for you all week.",
    "Especially the parrot, he talks more than a market woman.",
    "Very well, we leave when the bell of the tower rings twice.",
)
UNSPOKEN = "Somewhere a violin begins to play an old and solemn waltz."
CASES = ((2.7, 0.0), (-1.4, 0.0427), (0.8, -0.005), (31.0, 0.001))


@dataclass(frozen=True)
class Spoken:
    """A line with the true begin and end of each of its spoken words, in seconds; Piper may join two written words."""

    text: str
    words: list[tuple[float, float]]

    @property
    def comparable(self) -> bool:
        """Whether every written word was spoken apart."""
        return len(self.words) == len(self.text.split())


def speak(lines: tuple[str, ...]) -> tuple[Audio, list[Spoken]]:
    """Let Piper speak the lines with pauses between them."""
    from piper import PiperVoice

    folder = weights.require("piper-joe")
    voice = PiperVoice.load(next(folder.glob("*.onnx")), include_alignments=True)
    draw = random.Random(0)
    pieces: list[npt.NDArray[np.float32]] = [np.zeros(4 * 22_050, dtype=np.float32)]
    spoken, at = [], 4.0
    for line in lines:
        words: list[tuple[float, float]] = []
        for chunk in voice.synthesize(line, include_alignments=True):
            words += _word_times(chunk, at)
            pieces.append(chunk.audio_float_array)
            at += len(chunk.audio_float_array) / chunk.sample_rate
        spoken.append(Spoken(line, words))
        silence = draw.uniform(0.3, 1.5)
        pieces.append(np.zeros(int(silence * 22_050), dtype=np.float32))
        at += len(pieces[-1]) / 22_050
    samples = np.concatenate(pieces)
    times = np.arange(int(len(samples) / 22_050 * SAMPLE_RATE)) / SAMPLE_RATE
    resampled = np.interp(times, np.arange(len(samples)) / 22_050, samples).astype(np.float32)
    return Audio(resampled, "0" * 64, 0.0, len(resampled) / SAMPLE_RATE, "spoken scene"), spoken


def _word_times(chunk: Any, start: float) -> list[tuple[float, float]]:
    """Begin and end of each word from the lengths of its phonemes; marks of punctuation are silence."""
    words: list[tuple[float, float]] = []
    at, begin, end = 0, None, 0
    for phoneme in chunk.phoneme_alignments:
        following = at + int(phoneme.num_samples)
        if phoneme.phoneme == " ":
            words.append((begin or 0, end))
            begin = None
        elif phoneme.phoneme not in "^$.,!?;:":
            begin, end = at if begin is None else begin, following
        at = following
    words.append((begin or 0, end))
    return [(start + one / chunk.sample_rate, start + other / chunk.sample_rate) for one, other in words]


def subtitles(spoken: list[Spoken], offset: float, drift: float) -> tuple[list[Line], list[Spoken | None]]:
    """The lines with wrong times and some wrong words, and for each the truth (None for one that is not spoken)."""
    draw = random.Random(1)
    lines: list[Line] = []
    truth: list[Spoken | None] = []
    for number, one in enumerate(spoken):
        words = [word if draw.random() > 0.1 else "something" for word in one.text.split()]
        start, end = ((time - offset) / (1 + drift) for time in (one.words[0][0], one.words[-1][1]))
        lines.append(Line(" ".join(words), start, end))
        truth.append(one)
        if number % 6 == 5:
            lines.append(Line(UNSPOKEN, end + 0.05, end + 0.25))
            truth.append(None)
    return lines, truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=len(SCENE))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sound, spoken = speak(SCENE[: arguments.lines])
    began = time.monotonic()
    heard = settle_words(Whisper(["en"]).extract(sound).words, sound)
    seconds = time.monotonic() - began
    results = []
    for offset, drift in CASES:
        lines, truth = subtitles(spoken, offset, drift)
        found = align_lines(lines, heard)
        errors = [
            abs(word.start - true[0])
            for aligned, one in zip(found.aligned, truth, strict=True)
            if one is not None and one.comparable and aligned.method == "words"
            for word, true in zip(aligned.words, one.words, strict=True)
        ]
        middle = sound.duration / 2
        results.append(
            {
                "true_offset": offset,
                "true_drift": drift,
                "offset_error": round(found.clock.offset - offset, 3) if found.clock else None,
                "drift_error": round(found.clock.drift - drift, 5) if found.clock else None,
                "clock_error_at_the_middle": round(found.clock((middle - offset) / (1 + drift)) - middle, 3)
                if found.clock
                else None,
                "median_word_error": round(statistics.median(errors), 3),
                "word_error_90th_percentile": round(statistics.quantiles(errors, n=10)[-1], 3),
                "words": len(errors),
                "spoken_lines_aligned": sum(
                    aligned.method == "words" for aligned, one in zip(found.aligned, truth, strict=True) if one
                ),
                "spoken_lines": len(spoken),
                "unspoken_lines_aligned": sum(
                    aligned.method == "words" for aligned, one in zip(found.aligned, truth, strict=True) if not one
                ),
            }
        )
    summary = {"sound_seconds": round(sound.duration, 1), "recognition_seconds": round(seconds, 1), "cases": results}
    print(json.dumps(summary, indent=None if arguments.json else 1))


if __name__ == "__main__":
    main()
