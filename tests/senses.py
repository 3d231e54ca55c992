"""Small real extractors and media made on the spot: a colour that can be seen, a loudness that can be heard."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from ruxi.dialogues import Label, Word
from ruxi.features import FeatureSequence
from ruxi.media import Audio, Image, Medium


class ColourEyes:
    """Says which of the three basic colours a picture has most of."""

    name, version, modality, width = "colour-eyes", "1", "image", 3

    def __init__(self) -> None:
        self.looked = 0

    def extract(self, medium: Medium) -> FeatureSequence:
        assert isinstance(medium, Image)
        self.looked += 1
        mean = medium.pixels.reshape(-1, 3).mean(axis=0) / 255
        best = int(mean.argmax())
        label = Label(name=("red", "green", "blue")[best], score=float(mean[best]), source=self.name)
        times = np.zeros((1, 2), dtype=np.float32)
        return FeatureSequence(mean[None].astype(np.float16), times, labels=(label,))


class LoudEars:
    """Understands one word: "loud" or "quiet"."""

    name, version, modality, width = "loud-ears", "1", "speech", 1

    def extract(self, medium: Medium) -> FeatureSequence:
        assert isinstance(medium, Audio)
        peak = float(np.abs(medium.samples).max())
        text = "loud" if peak > 0.5 else "quiet"
        return FeatureSequence(
            np.array([[peak]], dtype=np.float16),
            np.array([[0, medium.duration]], dtype=np.float32),
            text=text,
            words=(Word(text=text, start=0.1, end=0.4, confidence=0.75),),
            language="en",
        )


def senses() -> dict[str, ColourEyes | LoudEars]:
    return {"image": ColourEyes(), "audio": LoudEars()}


def png(red: int = 20, green: int = 20, blue: int = 220) -> bytes:
    """A small picture of one colour."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (32, 24), (red, green, blue)).save(buffer, "PNG")
    return buffer.getvalue()


def wav(peak: float = 0.9, seconds: float = 0.5) -> bytes:
    """A tone of 440 Hz."""
    times = np.arange(int(16_000 * seconds)) / 16_000
    samples = (np.sin(2 * np.pi * 440 * times) * peak * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def as_file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path
