"""Whisper hears words at their times, and nothing where nobody speaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jiwer
import numpy as np
import pytest

from ruxi.errors import MediaError, UsageError, WeightsError
from ruxi.features import Extractor, load_extractor
from ruxi.features.whisper import Whisper
from ruxi.media import Audio, Image, open_audio
from tests.features.sounds import sound_of

_RATE = 16_000


@pytest.fixture(scope="module")
def ear() -> Whisper:
    return Whisper()


def _plain(text: str | None) -> str:
    return "".join(letter for letter in (text or "").lower() if letter.isalnum() or letter == " ")


@pytest.mark.weights
def test_a_spoken_question_is_understood(ear: Whisper, speak: Callable[[str], Audio]) -> None:
    sound = speak("What do you see in this picture, captain?")
    found = ear.extract(sound)
    assert _plain(found.text) == "what do you see in this picture captain"
    assert found.language == "en"
    assert found.language_probability is not None
    assert 0.5 < found.language_probability <= 1
    assert found.values.dtype == np.float16
    assert found.values.shape == (-(-len(sound.samples) // 320), 512)
    assert np.isfinite(found.values).all()
    assert found.times[0].tolist() == pytest.approx([0, 0.02])
    assert found.times[-1, 1] == pytest.approx(sound.duration)
    assert [_plain(word.text) for word in found.words] == _plain(found.text).split()
    assert all(0 <= word.start <= word.end <= sound.duration + 0.02 for word in found.words)


@pytest.mark.weights
def test_words_have_their_times_after_a_silence(ear: Whisper, speak: Callable[[str], Audio]) -> None:
    spoken = speak("There is a storm on the horizon.").samples
    found = ear.extract(sound_of(np.concatenate([np.zeros(4 * _RATE), spoken, np.zeros(3 * _RATE)])))
    assert _plain(found.text) == "there is a storm on the horizon"
    assert 3.5 < found.words[0].start < 4.6  # onsets of Whisper are good to a few tenths of a second
    assert found.words[-1].end < 4.3 + len(spoken) / _RATE


@pytest.mark.weights
@pytest.mark.parametrize("kind", ["silence", "noise", "hum", "chord"])
def test_sounds_without_speech_have_no_words_but_have_features(ear: Whisper, kind: str) -> None:
    seconds = np.arange(3 * _RATE) / _RATE
    samples = {
        "silence": np.zeros_like(seconds),
        "noise": np.random.default_rng(0).normal(0, 0.1, len(seconds)),
        "hum": 0.3 * np.sin(2 * np.pi * 50 * seconds),
        "chord": sum(0.2 * np.sin(2 * np.pi * pitch * seconds) for pitch in (262, 330, 392)),
    }[kind]
    found = ear.extract(sound_of(samples))
    assert (found.text, found.words, found.language, found.language_probability) == ("", (), None, None)
    assert found.values.shape == (150, 512)


@pytest.mark.weights
def test_sound_longer_than_a_window_keeps_every_word_and_its_time(ear: Whisper, speak: Callable[[str], Audio]) -> None:
    sentences = [
        "The old captain looked at the sky and said that a storm was coming.",
        "My sister works in a hospital near the river and takes the train every morning.",
        "Please put the green bottle on the table before you open the window.",
        "Many students visited the museum and asked about the dinosaurs.",
        "The kitchen smells of fresh bread, coffee and a little bit of garlic.",
        "We walked along the beach until the music stopped and the lights went out.",
        "A small dog followed the teacher home and slept in front of the door.",
        "Nobody remembered the name of the village where the bridge had collapsed.",
    ]
    pieces = [np.concatenate([speak(sentence).samples, np.zeros(_RATE)]) for sentence in sentences]
    sound = sound_of(np.concatenate(pieces))
    assert sound.duration > 32
    found = ear.extract(sound)
    assert jiwer.wer(_plain(" ".join(sentences)), _plain(found.text)) < 0.08
    assert len(found.values) == -(-len(sound.samples) // 320)
    assert np.all(np.diff(found.times[:, 0]) > 0)
    times = {_plain(word.text): word.end for word in found.words}
    ends = np.cumsum([len(piece) for piece in pieces]) / _RATE - 1.0
    lasts = [_plain(sentence).split()[-1] for sentence in sentences]
    off = [abs(times[last] - end) for last, end in zip(lasts, ends, strict=True) if last in times]
    assert len(off) >= 7
    assert np.median(off) < 0.4


@pytest.mark.weights
def test_the_same_sound_gives_the_same_result(ear: Whisper, speak: Callable[[str], Audio]) -> None:
    sound = speak("Good evening.")
    first, second = ear.extract(sound), ear.extract(sound)
    assert np.array_equal(first.values, second.values)
    assert (first.text, first.words) == (second.text, second.words)


@pytest.mark.weights
@pytest.mark.real_data
@pytest.mark.slow
def test_read_speech_of_many_speakers_is_understood(ear: Whisper, real_data: Path) -> None:
    """`benchmarks/transcription.py` measures all of it; the published rate on this hard set is about 12 %."""
    folder = real_data / "librispeech_sample"
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()][1:8:2]
    heard = [_plain(ear.extract(open_audio(folder / row["audio"])).text) for row in rows]
    assert jiwer.wer([_plain(row["text"]) for row in rows], heard) < 0.15


def test_other_media_are_refused_with_what_to_do(ear: Whisper) -> None:
    picture = Image(np.zeros((4, 4, 3), dtype=np.uint8), "0" * 64, 0.0, 0.0, "a.png")
    with pytest.raises(MediaError, match=r"a\.png: whisper-base listens to sounds, not to image"):
        ear.extract(picture)


def test_missing_weights_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUXI_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="ruxi pull whisper-base"):
        Whisper().extract(sound_of(np.zeros(_RATE)))


def test_the_extractor_is_registered_and_its_version_tells_its_settings() -> None:
    ear = load_extractor("whisper-base", threads=1)
    assert isinstance(ear, Extractor)
    assert ear.version == Whisper().version  # threads change the speed, not the values
    assert ear.version != Whisper(languages=["de"]).version


@pytest.mark.weights
def test_only_languages_that_may_be_spoken_are_found(speak: Callable[[str], Audio]) -> None:
    sound = speak("Good evening, captain.")
    found = Whisper(languages=("fr", "zh")).extract(sound)
    assert found.language in {"fr", "zh"}
    assert found.language_probability is not None
    assert found.language_probability < 0.5
    with pytest.raises(UsageError, match=r"does not know the language 'xx'.* en, "):
        Whisper(languages=("en", "xx")).extract(sound)
