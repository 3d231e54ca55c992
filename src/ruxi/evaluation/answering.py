"""A model that answers single questions about media: what other people's test suites ask for.

A question becomes the user's turn of a dialogue with one character; media given as arrays, pictures or paths come in by
the same door as everywhere, and are perceived as on stage.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ruxi.characters import Character
from ruxi.dialogues import CastMember, Dialogue, Part, Turn
from ruxi.evaluation.player import Player
from ruxi.evaluation.task import TaskOptions
from ruxi.media import MediaFolder
from ruxi.media.encoding import as_png, as_wav
from ruxi.runtime import Engine, Sampling

_USER = "User"


class Answering:
    """Answers questions, one at a time.

    Args:
        engine: The model.
        character: Who answers; a helpful nobody unless given.
        context_tokens: Longest question with its media's words, in tokens; the model's context at most.
    """

    def __init__(self, engine: Engine, character: Character | None = None, context_tokens: int | None = None) -> None:
        self._player = Player(engine)
        self._character = character or Character(
            name="Answerer", system_prompt="You answer {{user}}'s questions. Be brief and exact."
        )
        self._options = TaskOptions(context_tokens=context_tokens or engine.context_length)
        self._passing = tempfile.TemporaryDirectory(prefix="ruxi-answering-")
        self._folder = MediaFolder(self._passing.name)

    def losses(
        self, questions: Sequence[tuple[str, Sequence[Any]]], answers: Sequence[str]
    ) -> list[tuple[float, bool]]:
        """How unlikely answers are.

        Args:
            questions: Words and media of each question.
            answers: One for each.

        Returns:
            Nats a token of each answer, and whether each of its tokens is likelier than all others together, which is
            enough to know that greedy decoding would give it (but not needed).
        """
        prompts = [
            self._player.answered(self._prompt(words, media), answer.strip())
            for (words, media), answer in zip(questions, answers, strict=True)
        ]
        found = self._player.log_likelihood(prompts, self._folder)
        return [(-float(scores.mean()), bool((scores > np.log(0.5)).all())) for scores in found]

    def reply(self, words: str, media: Sequence[Any] = (), settings: Mapping[str, Any] | None = None) -> str:
        """Answer a question in words.

        Args:
            words: The question.
            media: Pictures, sounds (`{"array", "sampling_rate"}`), or paths.
            settings: `max_new_tokens`, `temperature`, `top_p`, `do_sample`, `until`; others are passed over.
        """
        given = dict(settings or {})
        stop = given.get("until") or ()
        sampled = given.get("do_sample", True) and float(given.get("temperature") or 0) > 0
        sampling = Sampling(
            temperature=float(given["temperature"]) if sampled else 0.0,
            top_p=float(given.get("top_p") or 1.0) if sampled else 1.0,
            min_p=0.0,
            repetition_penalty=1.0,
            no_repeat_ngram=0,
            max_tokens=int(given.get("max_new_tokens") or 128),
            stop=tuple(text for text in ([stop] if isinstance(stop, str) else stop) if text),
            seed=int(given.get("seed") or 0),
        )
        return self._player.reply(self._prompt(words, media), self._character.name, self._folder, sampling).text

    def _prompt(self, words: str, media: Sequence[Any]) -> Any:
        parts = [*self._parts(media), Part(kind="text", text=words)]
        dialogue = Dialogue(
            id="question",
            cast=[CastMember(name=_USER, kind="user"), CastMember(name=self._character.name)],
            turns=[Turn(speaker=_USER, parts=parts)],
        )
        return self._player.prompt(self._character, dialogue, self._character.name, self._options, self._folder)

    def _parts(self, media: Iterable[Any]) -> list[Part]:
        """Parts of a turn for media of the kinds that the model can take; others are left out."""
        parts = []
        for medium in media:
            if isinstance(medium, list | tuple):
                parts += self._parts(medium)
                continue
            kind, data = _as_file(medium)
            if kind in self._player.kinds:
                parts.append(Part(kind=kind, media=self._folder.add(data)))
        return parts


def _as_file(medium: Any) -> tuple[str, bytes]:
    """Kind and bytes of a picture, a sound, or a file.

    Raises:
        MediaError: A file cannot be read or is of no known kind.
        TypeError: It is none of these.
    """
    if hasattr(medium, "save") and hasattr(medium, "convert"):
        return "image", as_png(np.asarray(medium.convert("RGB")))
    if isinstance(medium, Mapping) and "array" in medium:
        samples = np.asarray(medium["array"], dtype=np.float32)
        mono = samples if samples.ndim == 1 else samples.mean(axis=int(samples.shape[0] > samples.shape[-1]))
        return "audio", as_wav(mono, int(medium["sampling_rate"]))
    if isinstance(medium, str | Path):
        from ruxi.media import open_medium

        return open_medium(Path(medium)).kind, Path(medium).read_bytes()
    raise TypeError(f"{type(medium).__name__} is neither a picture, nor a sound, nor a path")
