"""`generate()` with media: they are encoded once, and turns go on while tokens come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationMixin

from ruxi.model.streams import MediaInputs, Streams


class RolePlayGenerationMixin(GenerationMixin):
    """Generation for `RolePlayForCausalLM`."""

    @torch.no_grad()
    def generate(  # type: ignore[override, unused-ignore]
        self,
        input_ids: Tensor,
        *,
        media: Mapping[str, MediaInputs] | None = None,
        streams: Streams | None = None,
        **options: Any,
    ) -> Any:
        """Generate replies, see `transformers.GenerationMixin.generate`.

        Args:
            input_ids: Prompts `[batch, n]`, padded on the left.
            media: Features by modality.
            streams: What `encode_media` gave, instead of `media`.
            options: `turn_ids` of the prompts, and the options of transformers.
        """
        if streams is None and media:
            streams = self.encode_media(media, batch=len(input_ids))
        if not streams or not self.is_prefix:
            return super().generate(input_ids, streams=streams, **options)
        return self._generate_after_prefix(input_ids, streams, **options)

    def _generate_after_prefix(
        self, input_ids: Tensor, streams: Streams, turn_ids: Tensor | None = None, **options: Any
    ) -> Any:
        """Media stand in the sequence, so transformers is given embeddings and the mask of what it will cache."""
        turns = torch.full_like(input_ids, torch.iinfo(torch.long).max) if turn_ids is None else turn_ids
        prefixed = self.place_media(
            self.get_input_embeddings()(input_ids),
            options.pop("attention_mask", None),
            turns,
            torch.zeros_like(input_ids),
            streams,
        )
        generated = super().generate(
            inputs_embeds=prefixed.embeddings, attention_mask=prefixed.attention_mask, **options
        )
        tokens = generated if isinstance(generated, Tensor) else generated.sequences
        prompts = input_ids.repeat_interleave(len(tokens) // len(input_ids), dim=0)
        whole = torch.cat([prompts, tokens], dim=1)
        if isinstance(generated, Tensor):
            return whole
        generated.sequences = whole
        return generated

    # transformers looks at this signature: `inputs_embeds` must be named, and the rest be called kwargs.
    def prepare_inputs_for_generation(
        self, input_ids: Tensor, inputs_embeds: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Cut turn ids like input ids; new tokens belong to the last turn of the prompt."""
        turn_ids: Tensor | None = kwargs.pop("turn_ids", None)
        streams = kwargs.pop("streams", None)
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(input_ids, inputs_embeds=inputs_embeds, **kwargs)
        inputs["streams"] = streams
        if turn_ids is not None:
            last = turn_ids[:, -1:].expand(-1, input_ids.shape[1] - turn_ids.shape[1])
            inputs["turn_ids"] = torch.cat([turn_ids, last], dim=1)[:, -inputs["input_ids"].shape[1] :]
        return inputs

    def _expand_inputs_for_generation(  # type: ignore[override, unused-ignore]
        self, expand_size: int = 1, is_encoder_decoder: bool = False, input_ids: Any = None, **options: Any
    ) -> Any:
        streams = options.pop("streams", None)
        input_ids, expanded = super()._expand_inputs_for_generation(
            expand_size=expand_size, is_encoder_decoder=is_encoder_decoder, input_ids=input_ids, **options
        )
        if streams and expand_size > 1:
            rows = torch.arange(len(input_ids) // expand_size, device=input_ids.device)
            rows = rows.repeat_interleave(expand_size)
            streams = {name: stream.select_rows(rows) for name, stream in streams.items()}
        return input_ids, {**expanded, "streams": streams}
