"""Whisper base, the default ear: encoder states for the fusion, the transcript with word times for the prompt.

Each stretch of sound is encoded once; its states, the language and the transcript come out of that one pass. Whisper
was trained on 30-second windows (Radford et al. 2022, arXiv:2212.04356). Longer sound is cut into windows at pauses;
a shorter one is followed by eight seconds of silence instead of being filled up, which saves most of the time of a
spoken question. Where the decoder then loops or is unsure, the window is filled up after all and decoded again.
Decoding is beam search without random fallbacks, so that the same sound always gives the same words.

A voice activity detector (Silero, which comes with faster-whisper) decides whether anybody speaks: Whisper writes
invented sentences for silence and noise.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ruxi import weights
from ruxi.dialogues import Word
from ruxi.errors import MediaError, UsageError, WeightsError
from ruxi.features.types import FeatureSequence
from ruxi.features.versions import Setting, pinned_digests, version_of
from ruxi.features.windows import STATE_SAMPLES, Span, Window, cut
from ruxi.media import SAMPLE_RATE, Audio, Medium

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.tokenizer import Tokenizer
    from faster_whisper.transcribe import Segment, TranscriptionOptions

_PART = "whisper-base"
_WINDOW_SAMPLES = 30 * SAMPLE_RATE
_MARGIN_SAMPLES = 8 * SAMPLE_RATE
_FRAME_SAMPLES = 160

# OpenAI's thresholds: text that packs better than this repeats itself; below this mean log-probability it is a guess.
_LOOP_RATIO = 2.4
_GUESS_LOG_PROBABILITY = -1.0
# Nobody speaks faster; a loop of the decoder squeezes its words into the sound that there is.
_WORDS_PER_SECOND = 10


class Whisper:
    """Whisper base by CTranslate2 as an extractor; the weights are loaded when the first sound comes.

    Args:
        languages: ISO 639-1 codes of what may be spoken, for example `("en", "zh")`. The likeliest of them is taken;
            one alone is taken without listening for it. Empty allows all that Whisper knows, which now and then takes
            a short or noisy utterance for a language that nobody speaks.
        threads: Processor threads; 0 leaves the choice to CTranslate2, which honours `OMP_NUM_THREADS`.
        compute_type: CTranslate2's type for the arithmetic: `int8` is the fastest on processors, `float32` the exact.
        beam_size: Hypotheses that the decoder follows.
    """

    name = _PART
    modality = "speech"
    width = 512

    def __init__(
        self, languages: Sequence[str] = (), threads: int = 0, compute_type: str = "int8", beam_size: int = 5
    ) -> None:
        self._languages = tuple(languages)
        self._threads = threads
        self._compute_type = compute_type
        self._beam_size = beam_size
        settings: dict[str, Setting] = {
            "revision": 1,
            "languages": " ".join(self._languages),
            "compute_type": compute_type,
            "beam_size": beam_size,
        }
        self.version = version_of(pinned_digests(_PART), settings)
        self._lock = threading.Lock()
        self._model: WhisperModel | None = None

    def extract(self, medium: Medium) -> FeatureSequence:
        """Listen to a sound.

        Args:
            medium: The sound; of a video, its `audio`.

        Returns:
            States at 50 Hz for the real duration. `text` is empty where nobody speaks; then there is no language.

        Raises:
            MediaError: It is not a sound.
            UsageError: Whisper does not know one of the languages.
            WeightsError: The weights are not installed or do not fit.
        """
        if not isinstance(medium, Audio):
            remedy = "Give the video's `audio`." if medium.kind == "video" else None
            raise MediaError(f"{self.name} listens to sounds, not to {medium.kind}", where=medium.source, remedy=remedy)
        model = self._loaded()
        spans = _speech(medium.samples)
        values: list[npt.NDArray[np.float16]] = []
        words: list[Word] = []
        texts: list[str] = []
        language = probability = None
        for window in cut(len(medium.samples), spans, _WINDOW_SAMPLES):
            samples = medium.samples[window.start : window.end]
            spectrogram = _spectrogram(model, samples, len(samples) + _MARGIN_SAMPLES)
            encoded = model.encode(spectrogram)
            values.append(np.asarray(encoded)[0, : window.states].astype(np.float16))
            spoken = window.inside(spans)
            if not spoken:
                continue
            if language is None:
                language, probability = self._listen_for_language(model, encoded)
            segments = self._decode(model, samples, spectrogram, encoded, language)
            kept = [segment for segment in segments if _plausible(segment, spoken)]
            texts.extend(segment.text for segment in kept)
            words.extend(word for segment in kept for word in _words(segment, window))
        states = np.concatenate(values) if values else np.zeros((0, self.width), dtype=np.float16)
        begins = np.arange(len(states), dtype=np.float32) * np.float32(STATE_SAMPLES / SAMPLE_RATE)
        ends = np.minimum(begins + np.float32(STATE_SAMPLES / SAMPLE_RATE), np.float32(medium.duration))
        return FeatureSequence(
            states,
            np.stack([begins, ends], axis=1),
            text="".join(texts).strip(),  # segments bring their spaces with them, where the language has spaces
            words=tuple(words),
            language=language if texts else None,
            language_probability=probability if texts else None,
        )

    def _listen_for_language(self, model: WhisperModel, encoded: Any) -> tuple[str, float]:
        """The likeliest of the languages that may be spoken, and how likely it is among all."""
        if len(self._languages) == 1:
            return self._languages[0], 1.0
        ranked = [(token[2:-2], probability) for token, probability in model.model.detect_language(encoded)[0]]
        return next(pair for pair in ranked if not self._languages or pair[0] in self._languages)

    def _decode(
        self,
        model: WhisperModel,
        samples: npt.NDArray[np.float32],
        spectrogram: npt.NDArray[np.float32],
        encoded: Any,
        language: str,
    ) -> list[Segment]:
        """The words of one window, in seconds from its start."""
        tokenizer = _tokenizer(model, language)
        options = _options(tokenizer, self._beam_size)
        frames = len(samples) // _FRAME_SAMPLES + 1
        segments = list(model.generate_segments(spectrogram[:, :frames], tokenizer, options, False, encoded))
        if any(_doubtful(segment) for segment in segments) and spectrogram.shape[1] * _FRAME_SAMPLES < _WINDOW_SAMPLES:
            spectrogram = _spectrogram(model, samples, _WINDOW_SAMPLES)
            encoded = model.encode(spectrogram)
            segments = list(model.generate_segments(spectrogram[:, :frames], tokenizer, options, False, encoded))
        return segments

    def _loaded(self) -> WhisperModel:
        with self._lock:
            if self._model is None:
                self._model = _load(self._languages, self._compute_type, self._threads)
            return self._model


def _load(languages: Sequence[str], compute_type: str, threads: int) -> WhisperModel:
    from faster_whisper import WhisperModel

    folder = weights.require(_PART)
    try:
        model = WhisperModel(str(folder), device="cpu", compute_type=compute_type, cpu_threads=threads)
    except (RuntimeError, ValueError, OSError) as error:
        raise WeightsError(str(error), where=str(folder), remedy=f"Run `ruxi pull {_PART}`.") from error
    if unknown := set(languages) - set(model.supported_languages):
        raise UsageError(
            f"Whisper does not know the language {min(unknown)!r}",
            where="languages",
            remedy=f"It knows {', '.join(sorted(model.supported_languages))}.",
        )
    return model


def _speech(samples: npt.NDArray[np.float32]) -> list[Span]:
    """Where somebody speaks."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(min_silence_duration_ms=500, speech_pad_ms=200)
    return [Span(span["start"], span["end"]) for span in get_speech_timestamps(samples, options)]


def _spectrogram(model: WhisperModel, samples: npt.NDArray[np.float32], length: int) -> npt.NDArray[np.float32]:
    """Log-mel spectrogram `[80, frames]` of a sound that is followed by silence up to a number of samples.

    Silence is added to the sound, as in the original; zeros in the spectrogram would be a loud noise, and short
    windows then make the decoder loop.
    """
    length = min(length, _WINDOW_SAMPLES) // STATE_SAMPLES * STATE_SAMPLES
    padded = np.pad(samples, (0, max(0, length - len(samples))))
    spectrogram: npt.NDArray[np.float32] = model.feature_extractor(padded, padding=0)
    return spectrogram


def _tokenizer(model: WhisperModel, language: str) -> Tokenizer:
    from faster_whisper.tokenizer import Tokenizer

    return Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)


def _options(tokenizer: Tokenizer, beam_size: int) -> TranscriptionOptions:
    from faster_whisper.transcribe import TranscriptionOptions, get_suppressed_tokens

    return TranscriptionOptions(
        beam_size=beam_size,
        best_of=1,
        patience=1,
        length_penalty=1,
        repetition_penalty=1,
        no_repeat_ngram_size=0,
        log_prob_threshold=_GUESS_LOG_PROBABILITY,
        no_speech_threshold=0.6,
        compression_ratio_threshold=_LOOP_RATIO,
        condition_on_previous_text=False,
        prompt_reset_on_temperature=0.5,
        temperatures=[0.0],
        initial_prompt=None,
        prefix=None,
        suppress_blank=True,
        suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
        without_timestamps=False,
        max_initial_timestamp=1.0,
        word_timestamps=True,
        prepend_punctuations="\"'“¿([{-",
        append_punctuations="\"'.。,，!！?？:：”)]}、",
        multilingual=False,
        max_new_tokens=None,
        clip_timestamps="0",
        hallucination_silence_threshold=None,
        hotwords=None,
    )


def _doubtful(segment: Segment) -> bool:
    """Whether a window should be decoded again. People who repeat themselves land here, too: it only costs time."""
    return bool(segment.compression_ratio > _LOOP_RATIO or segment.avg_logprob < _GUESS_LOG_PROBABILITY)


def _plausible(segment: Segment, spoken: Sequence[tuple[float, float]]) -> bool:
    """Whether a segment was spoken: somebody speaks at its time, and no faster than people do."""
    duration = segment.end - segment.start
    return len(segment.words or ()) <= max(1.0, duration) * _WORDS_PER_SECOND and any(
        segment.start < end and segment.end > start for start, end in spoken
    )


def _words(segment: Segment, window: Window) -> list[Word]:
    """A segment's words, in seconds from the start of the sound."""
    offset = window.start / SAMPLE_RATE
    last = (window.end - window.start) / SAMPLE_RATE
    return [
        Word(
            text=word.word.strip(),
            start=round(offset + min(word.start, last), 3),
            end=round(offset + min(max(word.start, word.end), last), 3),
            confidence=min(1.0, max(0.0, word.probability)),
        )
        for word in segment.words or ()
        if word.word.strip()
    ]
