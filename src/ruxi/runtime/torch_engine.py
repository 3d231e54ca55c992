"""The reference engine: `RolePlayForCausalLM` with a loop of its own around it.

The loop exists because a reply must be able to stop within one token, to stream whole characters, and to go on from
the key-value cache of the turn before. Replies that can be repeated (a seed is given, or the temperature is 0) are
computed from the first token on, because a cache filled in other portions rounds differently.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from ruxi.errors import EngineError
from ruxi.features import FeatureSequence, load_extractor
from ruxi.model import STREAM_OF_KIND, Perception, RolePlayForCausalLM
from ruxi.prompt import ChatFormat, Prompt, PromptBuilder
from ruxi.runtime.constraints import Constraints
from ruxi.runtime.protocol import LONGEST_CONTEXT, Delta, Feelings, FinishReason, Media, Sampling, room_for_reply
from ruxi.runtime.reading import Reader, Reading
from ruxi.runtime.sampling import Sampler
from ruxi.runtime.scoring import ReplyScorer, ScoredReply
from ruxi.runtime.streaming import TextStream


class TorchEngine:
    """Speaks with a model in this process.

    Args:
        model: The model; its weights are not changed.
        tokenizer: Its tokenizer.
        name: What messages and reports call the engine.
        context_length: Longest prompt with reply, in tokens; by default what the model can read, 4,096 at most.

    Attributes:
        model: The model.
        tokenizer: Its tokenizer.
        end_ids: Tokens that end a reply.
    """

    def __init__(
        self,
        model: RolePlayForCausalLM,
        tokenizer: Tokenizer,
        *,
        name: str = "torch",
        context_length: int | None = None,
    ) -> None:
        self.name = name
        self.model = model.eval()
        positions = getattr(model.language_model.config.get_text_config(), "max_position_embeddings", None)
        self.context_length = context_length or min(positions or LONGEST_CONTEXT, LONGEST_CONTEXT)
        chat_format = ChatFormat.model_validate(model.config.chat_format or ChatFormat.chatml())
        self.prompts = PromptBuilder(tokenizer, chat_format, context_length=self.context_length)
        self.tokenizer = tokenizer
        special = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        self.end_ids = frozenset({*special, *self.prompts.end_of_turn_ids[:1]})
        self._constraints = Constraints(tokenizer, self.end_ids)
        self._reader = Reader(model, uses_media=self.uses_media)
        self._scorer = ReplyScorer(model, self._reader)
        self._kept: Reading | None = None
        self._lock = threading.Lock()

    @property
    def uses_media(self) -> bool:
        """Whether features of media can change a reply; not so as long as every fusion gate is 0."""
        return self.model.is_prefix or self.model.guidance is not None or any(self.model.fusion.gates().values())

    def extractor_names(self) -> Mapping[str, str]:
        """Extractor for each kind of medium, see `Engine`."""
        known = self.model.config.modality_settings
        return {kind: known[name].extractor for kind, name in STREAM_OF_KIND.items() if name in known}

    def generate(self, prompt: Prompt, media: Media, sampling: Sampling) -> Generator[Delta, None, None]:
        """Speak a reply, see `Engine`."""
        room = room_for_reply(len(prompt.input_ids), self.context_length, where=self.name)
        form = self._constraints.follow(sampling.constraint)
        sampler = Sampler(sampling, prompt, exempt=self.end_ids, form=form)
        return self._speak(prompt, media, sampling, sampler, min(room, sampling.max_tokens))

    def _speak(
        self, prompt: Prompt, media: Media, sampling: Sampling, sampler: Sampler, longest: int
    ) -> Generator[Delta, None, None]:
        text = TextStream(self.tokenizer, (*prompt.stop, *sampling.stop))
        reading, hidden = self._open(prompt, media, kept=None if sampling.repeatable else self._take_kept())
        finish: FinishReason = "length"
        try:
            token: int | None = None
            for _ in range(longest):
                if token is not None:
                    hidden = self._read_on(reading, token)
                token = sampler.choose(self._logits(hidden)[0])
                if token in self.end_ids:
                    finish = "stop"
                    break
                yield Delta(text.push(token), (token,))
                if text.stopped:
                    finish = "stop"
                    break
            yield Delta(
                text.flush(),
                finish_reason=finish,
                emotion=prompt.emotion,
                user_emotion=self._label(reading.perception, "emotion"),
                user_intent=self._label(reading.perception, "intent"),
            )
        except GeneratorExit:
            self._keep(reading)
            raise
        # After any other exception the cache may hold half a token.
        self._keep(reading)

    def log_likelihood(self, prompts: Sequence[Prompt], media: Media) -> list[npt.NDArray[np.float32]]:
        """Natural log-probability of each marked token, see `Engine` and `ruxi.runtime.scoring`."""
        return self._scorer.score(prompts, media)

    def read_replies(self, prompts: Sequence[Prompt], media: Media) -> list[ScoredReply]:
        """The scores of `log_likelihood`, with the model's pooled states on each reply."""
        return self._scorer.read(prompts, media)

    @torch.inference_mode()
    def perceive(self, prompts: Sequence[Prompt], media: Media) -> list[Feelings]:
        """Probabilities of the model's emotion and intent heads, see `Perceptive`."""
        settings = self.model.config.guidance_settings
        if settings is None:
            return [{} for _ in prompts]
        found: list[Feelings] = []
        reading: Reading | None = None
        for prompt in prompts:
            reading, _ = self._reader.read_prompt(prompt, media, guided_turns=[prompt.turn_ids[-1]], kept=reading)
            heads = reading.perception
            found.append(
                {}
                if heads is None
                else {
                    "emotion": _by_label(settings.emotions, heads.emotion_logits[0]),
                    "intent": _by_label(settings.intents, heads.intent_logits[0]),
                }
            )
        return found

    @torch.inference_mode()
    def similarity(
        self, media: Sequence[tuple[str, FeatureSequence]], sentences: Sequence[str]
    ) -> npt.NDArray[np.float32] | None:
        """Cosines in the space that media and sentences share, see `Perceptive`."""
        model = self.model
        if model.alignment is None or any(STREAM_OF_KIND[kind] not in model.resamplers for kind, _ in media):
            return None
        weights = next(model.parameters())
        vectors = []
        for kind, features in media:
            stream = STREAM_OF_KIND[kind]
            values = torch.from_numpy(features.values).to(weights)[None]
            mask = torch.ones(values.shape[:2], dtype=torch.bool, device=weights.device)
            vectors.append(model.alignment.embed(stream, model.resamplers[stream](values, mask))[0].float())
        cosines: npt.NDArray[np.float32] = (
            torch.stack(vectors).cpu().numpy() @ self._sentence_encoder.embed(sentences).T
        )
        return cosines

    @cached_property
    def _sentence_encoder(self) -> Any:
        settings = self.model.config.alignment_settings
        if settings is None:
            raise EngineError("the model has no space that media and sentences share", where=self.name)
        return load_extractor(settings.extractor)

    @torch.inference_mode()
    def _open(self, prompt: Prompt, media: Media, kept: Reading | None) -> tuple[Reading, torch.Tensor]:
        reading, hidden = self._reader.read_prompt(prompt, media, guided_turns=[prompt.turn_ids[-1]], kept=kept)
        return reading, hidden[-1:]

    @torch.inference_mode()
    def _read_on(self, reading: Reading, token: int) -> torch.Tensor:
        return self._reader.read_on(reading, token)[None]

    @torch.inference_mode()
    def _logits(self, hidden: torch.Tensor) -> npt.NDArray[np.float32]:
        logits: npt.NDArray[np.float32] = self.model.logits(hidden).float().cpu().numpy()
        return logits

    def _take_kept(self) -> Reading | None:
        with self._lock:
            kept, self._kept = self._kept, None
        return kept

    def _keep(self, reading: Reading) -> None:
        with self._lock:
            self._kept = reading

    def _label(self, perception: Perception | None, kind: str) -> str | None:
        settings = self.model.config.guidance_settings
        if perception is None or settings is None:
            return None
        if kind == "emotion":
            return settings.emotions[int(perception.emotion_logits[0].argmax())]
        return settings.intents[int(perception.intent_logits[0].argmax())]


def _by_label(labels: Sequence[str], logits: torch.Tensor) -> dict[str, float]:
    return dict(zip(labels, logits.float().softmax(dim=-1).tolist(), strict=True))
