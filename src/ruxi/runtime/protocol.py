"""What every engine can do: the torch reference, the ONNX one and the remote ones behave alike."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ruxi.errors import EngineError, UsageError
from ruxi.features import FeatureSequence
from ruxi.prompt import Prompt, PromptBuilder
from ruxi.runtime.constraints import Constraint

Media = Mapping[str, FeatureSequence]
"""Features of a prompt's media slots, by the medium's SHA-256."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        temperature: 0 takes the most likely token.
        top_p: Keep the smallest set of tokens whose probabilities add up to this.
        top_k: Keep this many tokens; 0 keeps all.
        min_p: Drop tokens less likely than this share of the most likely one.
        repetition_penalty: Divide the logits of tokens that the character has already spoken by this (CTRL,
            Keskar et al., 2019); what the user said and the persona do not count.
        presence_penalty: Subtract this from the logits of tokens already in the reply.
        frequency_penalty: Subtract this for every time that a token stands in the reply.
        max_tokens: Longest reply, in tokens.
        stop: Strings that end the reply; they are not part of it.
        seed: Same seed, same prompt, same engine: same reply. None draws a fresh one.
        logit_bias: Added to the logits of these token ids.
        no_repeat_ngram: No run of this many tokens stands twice in a reply, and no run of twice as many is
            taken over from the character's earlier turns; 0 allows both. Not for replies of a given form.
        constraint: The form that the reply must have; `max_tokens` can cut it off before it is complete.

    Raises:
        UsageError: A value is out of its range; the message lists every such value.
    """

    temperature: float = 0.8
    top_p: float = 0.95
    top_k: int = 0
    min_p: float = 0.05
    repetition_penalty: float = 1.1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    max_tokens: int = 200
    stop: tuple[str, ...] = ()
    seed: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    no_repeat_ngram: int = 5
    constraint: Constraint | None = None

    @property
    def repeatable(self) -> bool:
        """Whether the same prompt is to give the same reply again."""
        return self.seed is not None or self.temperature == 0

    def __post_init__(self) -> None:
        checks = {
            "temperature": (self.temperature >= 0, "0 or more"),
            "top_p": (0 < self.top_p <= 1, "above 0 and at most 1"),
            "top_k": (self.top_k >= 0, "0 or more"),
            "min_p": (0 <= self.min_p < 1, "0 or more and below 1"),
            "repetition_penalty": (self.repetition_penalty > 0, "above 0"),
            "seed": (self.seed is None or self.seed >= 0, "0 or more"),
            "max_tokens": (self.max_tokens >= 1, "1 or more"),
            "no_repeat_ngram": (self.no_repeat_ngram == 0 or self.no_repeat_ngram >= 2, "0, or 2 or more"),
        }
        wrong = [f"{name} is {getattr(self, name)}" for name, (fits, _) in checks.items() if not fits]
        if wrong:
            remedy = "; ".join(f"{name}: {rule}" for name, (fits, rule) in checks.items() if not fits)
            raise UsageError(", ".join(wrong), where="sampling", remedy=f"Allowed: {remedy}.")


LONGEST_CONTEXT = 4096
"""Longer prompts take so long to read on a CPU that a chat would stall; the local engines go no further."""

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class Delta:
    """A piece of a reply as it is spoken.

    Attributes:
        text: New text; whole characters only.
        token_ids: The tokens behind it.
        finish_reason: None until the last piece.
        emotion: The reply's emotion, when the engine knows it; on the last piece at the latest.
        user_emotion: The user's emotion as perceived.
        user_intent: The user's intent as perceived.
        prompt_tokens: How many tokens were read, from engines that count otherwise than `Prompt` does.
        completion_tokens: How many tokens of this reply were spoken until now, from engines that do not give them.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    finish_reason: FinishReason | None = None
    emotion: str | None = None
    user_emotion: str | None = None
    user_intent: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@runtime_checkable
class Engine(Protocol):
    """A language model that speaks prompts.

    Attributes:
        name: What messages and reports call it.
        prompts: The builder whose prompts this engine understands.
        context_length: Longest prompt with reply, in tokens.
    """

    name: str
    prompts: PromptBuilder
    context_length: int

    def extractor_names(self) -> Mapping[str, str]:
        """Extractor for each kind of medium (`image`, `audio`, `video`); kinds it cannot use are absent."""
        ...

    def generate(self, prompt: Prompt, media: Media, sampling: Sampling) -> Generator[Delta, None, None]:
        """Speak a reply, one piece a token. Closing the generator stops the work within one token.

        It ends at the strings of `prompt.stop` and `sampling.stop`, none of which is part of it.

        Raises:
            EngineError: The prompt leaves no room for a reply, or the engine fails.
        """
        ...

    def log_likelihood(self, prompts: Sequence[Prompt], media: Media) -> list[npt.NDArray[np.float32]]:
        """Natural log-probability of each token that a prompt's `loss_mask` marks, one array a prompt."""
        ...


@runtime_checkable
class SeesMedia(Protocol):
    """An engine that takes pictures and sounds themselves, beside their features; most take features alone."""

    def with_media(self, read: Callable[[str], bytes]) -> Engine:
        """The same engine for one chat, whose media it can read by their SHA-256.

        Args:
            read: Raises `MediaError` for a medium that is gone.
        """
        ...


def with_media(engine: Engine, read: Callable[[str], bytes]) -> Engine:
    """An engine as it is used in a chat whose media can be read."""
    return engine.with_media(read) if isinstance(engine, SeesMedia) else engine


def room_for_reply(length: int, context_length: int, *, where: str) -> int:
    """How many tokens a reply may have after a prompt of so many.

    Raises:
        EngineError: None.
    """
    room = context_length - length
    if room < 1:
        raise EngineError(
            f"the prompt has {length} tokens and leaves no room for a reply in {context_length}",
            where=where,
            remedy="Build prompts with `reserve`, or raise the context length.",
        )
    return room


Feelings = Mapping[str, Mapping[str, float]]
"""Probabilities of labels, by head (`emotion`, `intent`); empty when a model has no heads."""


@runtime_checkable
class Perceptive(Protocol):
    """An engine that can say what it perceives without speaking; not every engine can."""

    def perceive(self, prompts: Sequence[Prompt], media: Media) -> list[Feelings]:
        """What each prompt's last turn before the reply wants and feels."""
        ...

    def similarity(
        self, media: Sequence[tuple[str, FeatureSequence]], sentences: Sequence[str]
    ) -> npt.NDArray[np.float32] | None:
        """How well sentences fit media, given by kind: cosines `[media, sentences]`; None without a shared space."""
        ...
