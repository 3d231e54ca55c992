"""Sounds for the feature tests, spoken by the pinned voice."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable

import pytest

from ruxi import weights
from ruxi.media import Audio, open_audio


@pytest.fixture(scope="session")
def speak() -> Callable[[str], Audio]:
    """Says a sentence with the pinned Piper voice."""
    from piper import PiperVoice, SynthesisConfig

    steady = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)  # the same sound each time
    voice = PiperVoice.load(weights.require("piper-joe") / "en_US-joe-medium.onnx")

    def say(text: str) -> Audio:
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            voice.synthesize_wav(text, file, syn_config=steady)
        return open_audio(buffer.getvalue())

    return say
