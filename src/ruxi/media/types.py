"""What comes out of the door: pictures, sounds and videos as arrays with a place on the time axis.

`sha256` always names the bytes that came in, so that features are cached and files are kept by content. A video's frame
has no bytes of its own: its `sha256` is that of its pixels. Equality is identity, because arrays do not compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["image", "audio", "video"]

SAMPLE_RATE = 16_000
"""Samples a second of every sound, in Hz: what speech encoders are trained on."""


@dataclass(frozen=True, eq=False)
class Image:
    """A picture, upright and without transparency.

    Attributes:
        pixels: Red, green and blue, uint8 `[height, width, 3]`.
        sha256: Digest of the original bytes; of the pixels for a frame of a video.
        start: Where it begins on the dialogue's time axis, in seconds.
        end: Where it ends; equal to `start` for a still picture, which has no duration.
        source: Where it came from, fit for a message.
    """

    pixels: npt.NDArray[np.uint8]
    sha256: str
    start: float
    end: float
    source: str

    @property
    def kind(self) -> Literal["image"]:
        """The name of this kind of medium in dialogues."""
        return "image"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True, eq=False)
class Audio:
    """A sound with one channel.

    Attributes:
        samples: Amplitudes, full scale at -1 and 1, float32 `[n]`.
        sha256: Digest of the original bytes (of the whole video for its sound track).
        start: Where it begins on the dialogue's time axis, in seconds.
        end: Where it ends.
        source: Where it came from, fit for a message.
        rate: Samples a second, always 16,000 Hz.
    """

    samples: npt.NDArray[np.float32]
    sha256: str
    start: float
    end: float
    source: str
    rate: int = SAMPLE_RATE

    @property
    def kind(self) -> Literal["audio"]:
        """The name of this kind of medium in dialogues."""
        return "audio"

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[0] / self.rate)


@dataclass(frozen=True, eq=False)
class Video:
    """Chosen frames of a video with its sound track.

    Attributes:
        frames: In order of time; each one's `start` and `end` say which stretch of the dialogue's time axis it
            stands for.
        audio: The sound track, beginning with the video (with silence where it sets in later); None without one.
        sha256: Digest of the original bytes.
        start: Where the video begins on the dialogue's time axis, in seconds.
        end: Where it ends.
        duration: Length in seconds.
        source: Where it came from, fit for a message.
    """

    frames: tuple[Image, ...]
    audio: Audio | None
    sha256: str
    start: float
    end: float
    duration: float
    source: str

    @property
    def kind(self) -> Literal["video"]:
        """The name of this kind of medium in dialogues."""
        return "video"


Medium = Image | Audio | Video
