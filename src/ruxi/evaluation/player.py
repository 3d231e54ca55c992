"""The model under test, with eyes and ears: what tasks ask instead of an engine.

Media are looked at and listened to as on stage: what the extractors recognise stands in the prompt, in place of the
data set's own labels, which are often the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ruxi.characters import Character
from ruxi.dialogues import Dialogue, Part
from ruxi.evaluation.task import TaskOptions
from ruxi.features import FeatureSequence
from ruxi.media import Kind, MediaFolder
from ruxi.prompt import MediaSlot, Prompt
from ruxi.runtime import Engine, Feelings, Perceptive, Sampling, with_media
from ruxi.scene.perception import Perception
from ruxi.scene.speaking import speak

_ROOM_FOR_REPLY = 256

Scores = npt.NDArray[np.float32]
Fits = list[float]
"""Cosine of each sentence with one medium."""


@dataclass(frozen=True)
class Spoken:
    """A reply that a model made up.

    Attributes:
        text: Its words.
        prompt_tokens: Tokens that were read.
        tokens: Tokens that were generated.
        first: Seconds until the first piece of text.
        seconds: Seconds until the end.
        emotion: The user's emotion as the model perceived it, or None.
        intent: The user's intent as the model perceived it, or None.
    """

    text: str
    prompt_tokens: int
    tokens: int
    first: float
    seconds: float
    emotion: str | None
    intent: str | None


class Player:
    """Plays the roles of a task.

    Args:
        engine: The model, or what opens it when it is first asked; some tasks ask no model.
        perception: Its eyes and ears; by default those that the engine names.
    """

    def __init__(self, engine: Engine | Callable[[], Engine], perception: Perception | None = None) -> None:
        self._given = engine
        self._eyes_and_ears = perception
        self._seen: dict[tuple[str, str], Part] = {}
        self._alone: dict[tuple[int, ...], float] = {}
        self._replies: dict[object, Spoken] = {}

    @cached_property
    def engine(self) -> Engine:
        """The model."""
        return self._given if isinstance(self._given, Engine) else self._given()

    @cached_property
    def _perception(self) -> Perception:
        return self._eyes_and_ears or Perception(self.engine.extractor_names())

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of media that it can take."""
        return frozenset(self.engine.extractor_names())

    def prompt(
        self,
        character: Character,
        dialogue: Dialogue,
        speaker: str,
        options: TaskOptions,
        folder: MediaFolder,
    ) -> Prompt:
        """The tokens of a dialogue that the character is about to answer.

        Raises:
            DataError: The last turn alone is longer than `context_tokens` allow.
        """
        builder = self.engine.prompts.with_options(
            context_length=min(options.context_tokens, self.engine.context_length - _ROOM_FOR_REPLY),
            persona_tokens=options.persona_tokens,
        )
        return builder.build(character, self.perceived(dialogue, folder), speaker=speaker, targets="none")

    def answered(self, prompt: Prompt, text: str, tokens: int | None = None) -> Prompt:
        """A prompt with a reply to it, of which so many tokens are scored at most."""
        room = self.engine.context_length - len(prompt.input_ids)
        return self.engine.prompts.answered(prompt, text, tokens=room if tokens is None else min(room, tokens))

    def perceived(self, dialogue: Dialogue, folder: MediaFolder) -> Dialogue:
        """The dialogue with what the extractors recognise in its media, in place of the data set's labels."""
        turns = [
            turn.model_copy(update={"parts": [self._perceived(part, folder) for part in turn.parts]})
            for turn in dialogue.turns
        ]
        return dialogue.model_copy(update={"turns": turns})

    def log_likelihood(self, prompts: Sequence[Prompt], folder: MediaFolder) -> list[Scores]:
        """Natural log-probability of each scored token, one array a prompt."""
        return self.engine.log_likelihood(prompts, self.features(prompts, folder))

    def worth_alone(self, prompt: Prompt) -> float:
        """Log-likelihood in all of a prompt's reply without what it answers: the turn alone, in the same tokens."""
        start = prompt.turn_ids.index(prompt.turn_ids[-1])
        ids, mask = prompt.input_ids[start:], prompt.loss_mask[start:]
        if ids not in self._alone:
            turns, messages = prompt.turn_ids[start:], prompt.messages[-1:]
            alone = replace(prompt, input_ids=ids, turn_ids=turns, loss_mask=mask, slots=(), messages=messages)
            # One at a time: a number must not depend on which others happened to be asked for before.
            self._alone[ids] = float(self.engine.log_likelihood([alone], {})[0].sum())
        return self._alone[ids]

    def gained(self, prompt: Prompt, scores: Scores) -> float:
        """Pointwise mutual information of reply and dialogue: the scores' sum without what the reply is worth alone."""
        return float(scores.sum()) - self.worth_alone(prompt)

    def reply(self, prompt: Prompt, speaker: str, folder: MediaFolder, sampling: Sampling) -> Spoken:
        """Let it speak; tasks that ask for the same reply get the same one."""
        key = (prompt.input_ids, tuple(slot.media for slot in prompt.slots), repr(sampling))
        if key not in self._replies:
            self._replies[key] = self._speak(prompt, speaker, folder, sampling)
        return self._replies[key]

    def _speak(self, prompt: Prompt, speaker: str, folder: MediaFolder, sampling: Sampling) -> Spoken:
        media = self._perception.features(prompt.slots, folder)
        began = time.perf_counter()
        first = None
        text, tokens = "", 0
        emotion = intent = None
        for delta, usage in speak(with_media(self.engine, folder.read), prompt, media, sampling, speaker, ()):
            text += delta.text
            if first is None and delta.text.strip():
                first = time.perf_counter() - began
            tokens = usage.completion_tokens
            emotion, intent = delta.user_emotion or emotion, delta.user_intent or intent
        seconds = time.perf_counter() - began
        return Spoken(text, len(prompt.input_ids), tokens, first or seconds, seconds, emotion, intent)

    def feelings(self, prompts: Sequence[Prompt], folder: MediaFolder) -> list[Feelings]:
        """What the model's own heads perceive in each prompt's last turn; empty for a model without heads."""
        if not isinstance(self.engine, Perceptive):
            return [{} for _ in prompts]
        return self.engine.perceive(prompts, self.features(prompts, folder))

    def fit(self, slots: Sequence[MediaSlot], sentences: Sequence[str], folder: MediaFolder) -> list[Fits] | None:
        """How well sentences fit each of some media, by the space that the model gives both; None when it has none."""
        if not isinstance(self.engine, Perceptive) or any(slot.kind not in self.kinds for slot in slots):
            return None
        known = self._perception.features(slots, folder)
        if any(slot.media not in known for slot in slots):
            return None
        cosines = self.engine.similarity([(slot.kind, known[slot.media]) for slot in slots], sentences)
        return None if cosines is None else [[float(value) for value in row] for row in cosines]

    def features(self, prompts: Sequence[Prompt], folder: MediaFolder) -> dict[str, FeatureSequence]:
        """The features of the prompts' media, by their SHA-256."""
        slots = {(slot.kind, slot.media): slot for prompt in prompts for slot in prompt.slots}
        return self._perception.features(slots.values(), folder)

    def _perceived(self, part: Part, folder: MediaFolder) -> Part:
        if part.kind == "text" or part.media is None:
            return part
        bare = part.model_copy(update={"labels": []})
        if part.kind not in self.kinds:
            return bare
        key = (part.kind, part.media)
        if key not in self._seen:
            kind: Kind = part.kind
            shown = self._perception.open(kind, folder.path(part.media), start=0.0)
            self._seen[key] = self._perception.perceive(shown.medium)
        found = self._seen[key]
        return bare.model_copy(update={"labels": found.labels, "text": part.text or found.text})
