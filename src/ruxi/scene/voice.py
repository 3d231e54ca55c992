"""Speaking aloud: a voice turns a reply into sound.

The voice that comes along is Piper's English "joe" (Hansen, 2023; a VITS network, Kim et al., 2021), from a pinned
part. What stands between asterisks is played, not spoken, and is left out.
"""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ruxi import weights
from ruxi.errors import RuxiError, UsageError

_ACTION = re.compile(r"\*[^*\n]*\*")
_PART = "piper-joe"
_MODEL = "en_US-joe-medium.onnx"


@runtime_checkable
class Voice(Protocol):
    """Something that can read a text aloud.

    Attributes:
        name: What requests and messages call it.
        rate: Samples a second, in Hz.
    """

    name: str
    rate: int

    def stream(self, text: str, *, speed: float = 1.0) -> Iterator[npt.NDArray[np.int16]]:
        """Speak piece by piece: samples `[n]` of one sentence after another."""
        ...

    def speak(self, text: str, *, speed: float = 1.0) -> bytes:
        """Speak the whole text: a WAV file with one channel of 16 bits."""
        ...


class PiperVoice:
    """The voice that comes along.

    Raises:
        WeightsError: Its part is not installed.
        RuxiError: The package `piper-tts` is not installed.
    """

    name = "joe"

    def __init__(self) -> None:
        try:
            from piper import PiperVoice as Network
        except ImportError as error:
            raise RuxiError(
                "piper-tts is not installed", where="voice", remedy="Run `pip install 'ruxi[voice]'`."
            ) from error
        model = weights.require(_PART) / _MODEL
        self._network: Any = Network.load(model, f"{model}.json")
        self.rate = int(self._network.config.sample_rate)

    def stream(self, text: str, *, speed: float = 1.0) -> Iterator[npt.NDArray[np.int16]]:
        """Speak sentence by sentence, see `Voice`.

        Args:
            text: What to say; words between asterisks are left out.
            speed: 1 is the voice's own pace, 2 twice as fast.

        Raises:
            UsageError: There is nothing to say, or the speed is out of range.
        """
        from piper import SynthesisConfig

        if not 0.25 <= speed <= 4:
            raise UsageError(f"{speed} is no speed to speak at", where="speed", remedy="Choose 0.25 to 4.")
        words = spoken_words(text)
        if not words:
            raise UsageError("there is nothing to say", where="text", remedy="Give some words.")
        pace = SynthesisConfig(length_scale=self._network.config.length_scale / speed)
        return (chunk.audio_int16_array for chunk in self._network.synthesize(words, pace))

    def speak(self, text: str, *, speed: float = 1.0) -> bytes:
        """Speak the whole text, see `Voice`."""
        return as_wav(self.stream(text, speed=speed), self.rate)


def spoken_words(text: str) -> str:
    """What of a reply is said aloud: all of it but the actions, or the actions when there is nothing else."""
    words = " ".join(_ACTION.sub(" ", text).split())
    return words if any(c.isalnum() for c in words) else " ".join(text.replace("*", " ").split())


def as_wav(pieces: Iterator[npt.NDArray[np.int16]], rate: int) -> bytes:
    """Samples of one channel as a WAV file.

    Args:
        pieces: Samples `[n]` each, one after another.
        rate: Samples a second, in Hz.
    """
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for piece in pieces:
            file.writeframes(piece.astype("<i2").tobytes())
    return buffer.getvalue()
