"""The voice: what it leaves out, and whether its words are understood."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest

from ruxi.errors import UsageError
from ruxi.scene import PiperVoice, Voice
from ruxi.scene.voice import as_wav, spoken_words


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("*She taps the dial.* Mind the rope, passenger.", "Mind the rope, passenger."),
        ("Aye. *nods*\n\nAye *again*!", "Aye. Aye !"),
        ("*laughs*", "laughs"),
        ("2 * 3 makes 6", "2 * 3 makes 6"),
        ("*天气很好*", "天气很好"),
        ("…", "…"),
    ],
)
def test_actions_are_played_not_spoken(text: str, spoken: str) -> None:
    assert spoken_words(text) == spoken


def test_samples_become_a_wav_file() -> None:
    pieces = [np.array([0, 1000, -1000], dtype=np.int16), np.array([32767, -32768], dtype=np.int16)]
    with wave.open(io.BytesIO(as_wav(iter(pieces), 22_050))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22_050)
        samples = np.frombuffer(file.readframes(9), dtype="<i2")
    assert samples.tolist() == [0, 1000, -1000, 32767, -32768]


@pytest.mark.weights
@pytest.mark.slow
def test_what_the_voice_says_is_understood_by_the_ear() -> None:
    from ruxi.features import load_extractor
    from ruxi.media import open_audio

    voice = PiperVoice()
    assert isinstance(voice, Voice)
    normal = open_audio(voice.speak("*She looks up.* The captain flies the ship over the mountains."))
    heard = load_extractor("whisper-base").extract(normal)
    # The voice's noise differs from run to run, and with it now and then a word.
    words = set((heard.text or "").lower().strip(" .").split())
    assert len(words & {"captain", "flies", "ship", "over", "mountains"}) >= 3
    assert "looks" not in words
    fast = open_audio(voice.speak("The captain flies the ship over the mountains.", speed=2.0))
    assert fast.duration < 0.7 * normal.duration
    sentences = list(voice.stream("One sentence here. And another one there."))
    assert len(sentences) == 2
    with pytest.raises(UsageError, match="nothing to say"):
        voice.speak("  ")
    with pytest.raises(UsageError, match="no speed"):
        voice.speak("Aye.", speed=9)
