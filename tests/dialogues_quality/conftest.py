"""Small data sets and media of our own making."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from ruxi.dialogues import CastMember, Dialogue, Part, Turn
from ruxi.dialogues.writer import DatasetWriter

LINES = (
    "The harbour master wants the manifest before the tide turns at noon.",
    "Tell him that the crates of lamp oil are still on the northern quay.",
    "He will not like it, and neither will the guild that paid for them.",
    "Then let the guild carry them down the steps with its own two hands.",
)


def dialogue(number: int | str, *turns: Turn | tuple[str, str], **fields: object) -> Dialogue:
    """A dialogue between a user and Mira."""
    made = [turn if isinstance(turn, Turn) else Turn.of_text(*turn) for turn in turns]
    cast = [CastMember(name="User", kind="user"), CastMember(name="Mira")]
    return Dialogue.model_validate({"id": str(number), "cast": cast, "turns": made, **fields})


def picture(shade: int = 0) -> bytes:
    """The bytes of a small PNG."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (shade, 40, 90)).save(file, "PNG")
    return file.getvalue()


def sound(seconds: float = 0.5, pitch: float = 440.0) -> bytes:
    """The bytes of a WAV with a tone."""
    file = io.BytesIO()
    time = np.arange(int(seconds * 16_000)) / 16_000
    soundfile.write(file, 0.3 * np.sin(2 * np.pi * pitch * time), 16_000, format="WAV")
    return file.getvalue()


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., Path]:
    """Writes a data set and returns its folder."""

    def make(dialogues: Iterable[Dialogue], media: Iterable[bytes] = (), name: str = "set") -> Path:
        folder = tmp_path / name
        with DatasetWriter(folder, name=name, licence="CC0-1.0") as writer:
            for medium in media:
                writer.add_medium(medium)
            for one in dialogues:
                writer.add(one)
        return folder

    return make


def text(words: str) -> Part:
    """A text part."""
    return Part(kind="text", text=words)
