"""A small real tokenizer and an engine that speaks from a script: real prompts, real tokens, no weights."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from ruxi.prompt import ChatFormat, Prompt, PromptBuilder
from ruxi.runtime import Delta, Media, Sampling
from ruxi.runtime.streaming import TextStream

_TEXT = [
    "Aye, the wind is turning and the sky over the harbour grows dark.",
    "What do you see? A storm, a ship and a cat. 你看到了什么？天气很好。",
    "User: Mira: Captain, hold the line! <START> *She laughs and points at the map.*",
]


@cache
def small_tokenizer() -> Tokenizer:
    """A byte-level BPE of 400 tokens with the ChatML markers, made here."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(vocab_size=400, initial_alphabet=ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(_TEXT, trainer)
    markers = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    tokenizer.add_special_tokens([AddedToken(marker, special=True, normalized=False) for marker in markers])
    return tokenizer


@cache
def _plain_tokenizer() -> Tokenizer:
    """The same, but markers in a text are only text."""
    tokenizer = Tokenizer.from_str(small_tokenizer().to_str())
    tokenizer.encode_special_tokens = True
    return tokenizer


def small_prompts(context_length: int = 2048) -> PromptBuilder:
    """A builder on the small tokenizer."""
    return PromptBuilder(small_tokenizer(), ChatFormat.chatml(), context_length=context_length)


class ScriptedEngine:
    """Speaks given replies in turn; remembers the prompts and media that it was given.

    It streams, stops and counts as a real engine does; only the choice of tokens is written down.
    """

    name = "scripted"

    def __init__(
        self,
        *replies: str,
        context_length: int = 2048,
        extractors: Mapping[str, str] | None = None,
        emotion: str | None = None,
    ) -> None:
        self.prompts = small_prompts(context_length)
        self.context_length = context_length
        self.replies = list(replies)
        self.asked: list[Prompt] = []
        self.media: list[Media] = []
        self.samplings: list[Sampling] = []
        self.closed = 0
        self._extractors = dict(extractors or {})
        self._emotion = emotion

    def extractor_names(self) -> Mapping[str, str]:
        return self._extractors

    def generate(self, prompt: Prompt, media: Media, sampling: Sampling) -> Generator[Delta, None, None]:
        self.asked.append(prompt)
        self.media.append(dict(media))
        self.samplings.append(sampling)
        script = self.replies[(len(self.asked) - 1) % len(self.replies)]
        tokens = _plain_tokenizer().encode(script, add_special_tokens=False).ids
        text = TextStream(small_tokenizer(), (*prompt.stop, *sampling.stop))
        try:
            for token in tokens[: sampling.max_tokens]:
                yield Delta(text.push(token), (token,))
                if text.stopped:
                    break
            finish = "length" if len(tokens) > sampling.max_tokens and not text.stopped else "stop"
            yield Delta(text.flush(), finish_reason=finish, emotion=self._emotion)
        except GeneratorExit:
            self.closed += 1
            raise

    def log_likelihood(self, prompts: Sequence[Prompt], media: Media) -> list[npt.NDArray[np.float32]]:
        return [np.zeros(sum(prompt.loss_mask), dtype=np.float32) for prompt in prompts]
