"""What the torch model has read of a conversation, with the key-value cache that can be kept from turn to turn.

A prompt is read in sections. Without guidance there is one. With guidance, what the user wants and feels is read at
the end of his turn, and the tokens of the reply are read with the guidance made of it; only what lies before can be
kept for the next turn, because then these tokens are history and no guidance is for them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from ruxi.model import (
    GuidanceInputs,
    MediaInputs,
    Perception,
    Placed,
    RolePlayForCausalLM,
    Streams,
    media_inputs,
    placed_media,
)
from ruxi.prompt import PERSONA_TURN, Prompt
from ruxi.runtime.protocol import Media

MediaKey = tuple[tuple[int, str, str], ...]
"""Turn, kind and digest of every medium that can be attended to."""


@dataclass
class Reading:
    """A conversation as far as it was read.

    Attributes:
        cache: Keys and values of the tokens.
        tokens: Their ids.
        turns: Turn of each.
        media: What they may attend to.
        streams: Keys and values of it, and of the guidance.
        reusable: How many tokens, from the first, another prompt may take over.
        perception: The user's intent and emotion, when the model has guidance.
    """

    cache: Cache
    tokens: list[int] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    media: MediaKey = ()
    streams: Streams = field(default_factory=dict)
    reusable: int = 0
    perception: Perception | None = None


class Reader:
    """Reads prompts with a model, from several threads if need be; whoever uses it turns gradients off.

    Args:
        model: The model.
        uses_media: Whether media can change what it says; if not they are not encoded.
    """

    def __init__(self, model: RolePlayForCausalLM, *, uses_media: bool) -> None:
        self._model = model
        self._uses_media = uses_media
        self._device = next(model.parameters()).device
        self._one_pass = threading.Lock()

    def read_prompt(
        self,
        prompt: Prompt,
        media: Media,
        *,
        guided_turns: Sequence[int],
        kept: Reading | None = None,
        reread_from: int | None = None,
    ) -> tuple[Reading, Tensor]:
        """Read a prompt from the first token on which it differs from what is kept.

        Args:
            prompt: What to read.
            media: Features of its media.
            guided_turns: The character's turns that are read with guidance, in order.
            kept: An earlier reading; it is used up.
            reread_from: Read at least the tokens from this one on; None for the last one only.

        Returns:
            The reading, and the last hidden states `[n, d]` of the `n` tokens that were read now.
        """
        placed = placed_media([prompt], media, self._model.config.modality_settings) if self._uses_media else []
        key = _media_key(prompt, media) if placed else ()
        starts = self._section_starts(prompt, guided_turns)
        first_end = starts[1] if len(starts) > 1 else len(prompt.input_ids)
        latest = first_end - 1 if reread_from is None else min(first_end - 1, reread_from)
        reading = self._take_over(kept, prompt, key, latest)
        if not self._model.is_prefix:
            reading.streams = self._model.encode_media(self._inputs(placed))
        begin = len(reading.tokens)
        hidden: list[Tensor] = []
        for start, end in zip(starts, [*starts[1:], len(prompt.input_ids)], strict=True):
            if start > 0 and self._model.guidance is not None:
                self._guide(reading, hidden[-1], prompt, placed, turn=prompt.turn_ids[start])
            at = max(start, begin)
            hidden.append(self._read(reading, prompt.input_ids[at:end], prompt.turn_ids[at:end], placed))
        reading.reusable = 0 if self._model.is_prefix else first_end if len(starts) > 1 else len(reading.tokens)
        return reading, torch.cat(hidden)

    def read_on(self, reading: Reading, token: int) -> Tensor:
        """Read one more token of the turn that is being spoken; its last hidden state `[d]`."""
        whole = reading.reusable == len(reading.tokens)
        hidden = self._read(reading, [token], reading.turns[-1:], [])
        reading.reusable += whole
        return hidden[-1]

    def _perceive(self, reading: Reading, hidden: Tensor, placed: Sequence[Placed]) -> Perception:
        """Intent and emotion of the turn whose last token has this hidden state `[d]`."""
        # Media that stand in the sequence are no streams for the text, but they are for the heads.
        media = self._model.encode_media(self._inputs(placed)) if self._model.is_prefix else reading.streams
        turns = torch.tensor([reading.turns[-1:]], device=hidden.device)
        zero = torch.zeros(1, dtype=torch.long, device=hidden.device)
        return self._model.perceive(hidden[None, None], zero, zero, turns, media)

    def _section_starts(self, prompt: Prompt, guided_turns: Sequence[int]) -> list[int]:
        if self._model.guidance is None:
            return [0]
        return [0, *(start for turn in guided_turns if (start := prompt.turn_ids.index(turn)) > 0)]

    def _take_over(self, kept: Reading | None, prompt: Prompt, key: MediaKey, latest: int) -> Reading:
        """What of an earlier reading this prompt begins with."""
        fresh = Reading(DynamicCache(config=self._model.language_model.config), media=key)
        if kept is None or not all(type(layer) is DynamicLayer for layer in kept.cache.layers):
            return fresh
        common = min(kept.reusable, latest, len(prompt.input_ids))
        pairs = zip(kept.tokens, kept.turns, prompt.input_ids, prompt.turn_ids, strict=False)
        same = next((i for i, (a, b, c, d) in enumerate(pairs) if (a, b) != (c, d)), common)
        common = min(common, same)
        changed = {turn for turn, _, _ in set(kept.media) ^ set(key)}
        if changed:
            common = min(common, sum(turn < min(changed) for turn in prompt.turn_ids))
        if common <= 0:
            return fresh
        kept.cache.crop(common - len(kept.tokens))
        return Reading(kept.cache, kept.tokens[:common], kept.turns[:common], key)

    def _read(self, reading: Reading, tokens: Sequence[int], turns: Sequence[int], placed: Sequence[Placed]) -> Tensor:
        streams = reading.streams
        if self._model.is_prefix:
            # Media stand in the sequence, so each is given with the section that holds its turn.
            here = set(turns)
            streams = {**streams, **self._model.encode_media(self._inputs([p for p in placed if p.turn in here]))}
        # The model holds what its fusion blocks read between the start and the end of a pass.
        with self._one_pass:
            output = self._model.decode(
                torch.tensor([tokens], device=self._device),
                turn_ids=torch.tensor([turns], device=self._device),
                past_key_values=reading.cache,
                streams=streams,
                use_cache=True,
            )
        reading.tokens.extend(tokens)
        reading.turns.extend(turns)
        if self._model.is_prefix:
            reading.streams = {}
        hidden: Tensor = output["last_hidden_state"][0]
        return hidden

    def _guide(self, reading: Reading, hidden: Tensor, prompt: Prompt, placed: Sequence[Placed], *, turn: int) -> None:
        """Make guidance for a turn out of what was read until now."""
        settings = self._model.config.guidance_settings
        assert settings is not None  # noqa: S101 - only called for models with guidance
        device, dtype = hidden.device, torch.float32
        emotion = torch.zeros(1, len(settings.emotions), device=device, dtype=dtype)
        intent = torch.zeros(1, len(settings.intents), device=device, dtype=dtype)
        if reading.turns[-1] != PERSONA_TURN:
            reading.perception = self._perceive(reading, hidden[-1], placed)
            emotion = reading.perception.emotion_logits.float().softmax(dim=-1)
            intent = reading.perception.intent_logits.float().softmax(dim=-1)
        wanted = torch.zeros(1, len(settings.emotions), device=device, dtype=dtype)
        if prompt.emotion in settings.emotions:
            wanted[0, settings.emotions.index(prompt.emotion)] = 1.0
        row = torch.zeros(1, dtype=torch.long, device=device)
        persona = self._model.persona_embedding(
            torch.tensor([prompt.input_ids], device=device), torch.tensor([prompt.turn_ids], device=device), row
        )
        guidance = GuidanceInputs(persona, emotion, intent, wanted, row, torch.tensor([turn], device=device))
        reading.streams = {**reading.streams, **self._model.encode_media(guidance=guidance)}

    def _inputs(self, placed: Sequence[Placed]) -> dict[str, MediaInputs]:
        return {name: inputs.to(self._device) for name, inputs in media_inputs(placed).items()}


def _media_key(prompt: Prompt, media: Media) -> MediaKey:
    return tuple((slot.turn, slot.kind, slot.media) for slot in prompt.slots if slot.media in media)
