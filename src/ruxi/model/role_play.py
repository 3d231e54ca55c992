"""`RolePlayForCausalLM`: a base language model with fusion, guidance and LoRA around it.

The base model is a part that is named, never one that is saved: an adapter holds what was trained and the digest of the
base that it was trained on. Fusion blocks are called by hooks before their decoder layers, so that the base model's own
code runs unchanged and any decoder can be wrapped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.cache_utils import Cache
from transformers.utils import ModelOutput

from ruxi.errors import ModelError
from ruxi.model.adapter import AdapterMixin
from ruxi.model.alignment import Alignment
from ruxi.model.base import decoder_layers
from ruxi.model.config import GUIDANCE, RolePlayConfig
from ruxi.model.fusion import Fusion, FusionContext
from ruxi.model.generation import RolePlayGenerationMixin
from ruxi.model.guidance import Guidance, GuidanceInputs, Perception
from ruxi.model.masks import added_mask, packed_mask, packed_positions
from ruxi.model.packed_attention import PACKED_ATTENTION, spans_of
from ruxi.model.prefix import PrefixedSequence, insert_media
from ruxi.model.resampler import Resampler
from ruxi.model.streams import MediaInputs, Stream, Streams, to_rows
from ruxi.prompt import PERSONA_TURN


@dataclass
class RolePlayOutput(ModelOutput):
    """What a forward pass gives.

    Attributes:
        loss: Mean negative log-likelihood of the labels in nats, when labels were given.
        logits: `[batch, kept, vocabulary]`.
        past_key_values: The text's key-value cache.
        last_hidden_state: `[batch, n, d]`, after the final norm.
        fusion_attentions: On request, weights `[batch, heads, n, m]` by decoder layer and stream.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: Cache | None = None
    last_hidden_state: Tensor | None = None
    fusion_attentions: dict[int, dict[str, Tensor]] | None = None


class RolePlayForCausalLM(AdapterMixin, RolePlayGenerationMixin, PreTrainedModel):
    """A language model that attends to media and guidance.

    Args:
        config: What is built around the base model.
        language_model: The base model, with its weights.
    """

    config_class = RolePlayConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: RolePlayConfig, language_model: PreTrainedModel) -> None:
        super().__init__(config)
        width = language_model.config.get_text_config().hidden_size
        fusion, token_width = config.fusion_settings, config.resampler_settings.width
        self.language_model = language_model
        self.resamplers = nn.ModuleDict(
            {name: Resampler(m, config.resampler_settings) for name, m in config.modality_settings.items()}
        )
        layers = decoder_layers(language_model)
        fused = config.fusion_layers(len(layers)) if fusion.kind == "cross_attention" else ()
        self.fusion = Fusion(width, token_width, config.streams, fused, fusion)
        self.prefix = nn.Linear(token_width, width) if fusion.kind == "prefix" and config.streams else None
        guidance = config.guidance_settings
        self.guidance = (
            None if guidance is None else Guidance(width, token_width, config.modality_settings, guidance, fusion)
        )
        alignment = config.alignment_settings
        self.alignment = (
            None if alignment is None else Alignment(token_width, tuple(config.modality_settings), alignment)
        )
        self._context: FusionContext | None = None
        for layer in fused:
            layers[layer].register_forward_pre_hook(self._fuse_before(layer), with_kwargs=True)

    @property
    def is_prefix(self) -> bool:
        """Whether media stand in the sequence; then they are given once, in the pass that first reads their turn."""
        return self.prefix is not None

    def get_input_embeddings(self) -> nn.Module:
        """The base model's token embeddings."""
        embeddings: nn.Module = self.language_model.get_input_embeddings()
        return embeddings

    def get_output_embeddings(self) -> nn.Module:
        """The base model's language head."""
        head: nn.Module = self.language_model.get_output_embeddings()
        return head

    def _fuse_before(self, layer: int) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            # The context stays until the next forward pass, so that gradient checkpointing recomputes the same.
            if self._context is None:
                return None
            if args:
                return (self.fusion(args[0], self._context, layer), *args[1:]), kwargs
            hidden = self.fusion(kwargs["hidden_states"], self._context, layer)
            return args, {**kwargs, "hidden_states": hidden}

        return hook

    def encode_media(
        self,
        media: Mapping[str, MediaInputs] | None = None,
        guidance: GuidanceInputs | None = None,
        *,
        batch: int = 1,
    ) -> Streams:
        """Resample media, project their keys and values: once per medium, for all layers and all tokens to come.

        Args:
            media: Features by modality; modalities without any medium are left out.
            guidance: What the guidance tokens are made of, if there are any.
            batch: Rows of the batch.

        Raises:
            ModelError: A modality that the model does not know, or features of another width.
        """
        streams = {name: self._media_stream(name, inputs, batch) for name, inputs in (media or {}).items()}
        if guidance is not None:
            if self.guidance is None:
                raise ModelError("this model has no guidance", where="guidance", remedy="Leave it out.")
            tokens = self.guidance(guidance)
            streams[GUIDANCE] = self._stream(GUIDANCE, tokens, guidance, batch)
        return streams

    def _media_stream(self, name: str, inputs: MediaInputs, batch: int) -> Stream:
        settings = self.config.modality_settings.get(name)
        if settings is None:
            known = ", ".join(self.config.modality_settings) or "none"
            raise ModelError(f"no modality {name!r}", where="media", remedy=f"This model knows: {known}.")
        if inputs.values.shape[-1] != settings.width:
            raise ModelError(
                f"features are {inputs.values.shape[-1]} wide, not {settings.width}",
                where=f"media {name!r}",
                remedy=f"Extract them with {settings.extractor!r}.",
            )
        stream = self._stream(name, self.resamplers[name](inputs.values, inputs.mask), inputs, batch)
        if self.guidance is None:
            return stream
        emotions = self.guidance.media_heads[name](inputs.values, inputs.mask)[:, None]
        return replace(stream, emotions=to_rows(emotions, inputs.row, inputs.turn, inputs.segment, batch)[0])

    def _stream(self, name: str, tokens: Tensor, place: MediaInputs | GuidanceInputs, batch: int) -> Stream:
        rows, turns, segments, valid = to_rows(tokens, place.row, place.turn, place.segment, batch)
        keys, values = self.fusion.key_value[name](rows)
        return Stream(rows, keys, values, turns, segments, valid, same_turn_only=name == GUIDANCE)

    def persona_embedding(
        self,
        input_ids: Tensor,
        turn_ids: Tensor,
        rows: Tensor,
        segment_ids: Tensor | None = None,
        segments: Tensor | None = None,
    ) -> Tensor:
        """Mean input embedding of the persona's tokens, for `GuidanceInputs`.

        Args:
            input_ids: `[batch, n]`.
            turn_ids: Turn of each token, `[batch, n]`.
            rows: Row of each reply, `[replies]`.
            segment_ids: Packed dialogue of each token, `[batch, n]`, or None.
            segments: Packed dialogue of each reply, `[replies]`, or None.

        Returns:
            `[replies, d]`.
        """
        chosen = turn_ids[rows] == PERSONA_TURN
        if segment_ids is not None and segments is not None:
            chosen &= segment_ids[rows] == segments[:, None]
        with torch.no_grad():
            embeddings = self.get_input_embeddings()(input_ids[rows])
            weights = chosen.to(embeddings.dtype)[..., None]
            mean: Tensor = (embeddings * weights).sum(1) / weights.sum(1).clamp(min=1)
        return mean

    def place_media(
        self,
        embeds: Tensor,
        attention_mask: Tensor | None,
        turn_ids: Tensor,
        segment_ids: Tensor,
        streams: Streams,
    ) -> PrefixedSequence:
        """Put media into the sequence, for prefix fusion; see `ruxi.model.prefix`."""
        if self.prefix is None:
            raise ModelError("media are fused by cross-attention in this model", where="fusion.kind")
        if attention_mask is None:
            attention_mask = torch.ones_like(segment_ids)
        media = {name: self.prefix(stream.tokens) for name, stream in streams.items()}
        return insert_media(embeds, attention_mask, turn_ids, segment_ids, streams, media)

    def decode(
        self,
        input_ids: Tensor | None = None,
        *,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        turn_ids: Tensor | None = None,
        segment_ids: Tensor | None = None,
        branch_ids: Tensor | None = None,
        streams: Streams | None = None,
        keep_attentions: bool = False,
        **options: Any,
    ) -> RolePlayOutput:
        """Run the decoder without the language head.

        Args:
            input_ids: `[batch, n]`.
            attention_mask: 1 for real tokens, `[batch, past + n]`.
            position_ids: `[batch, n]`; worked out when None.
            past_key_values: Cache of earlier tokens.
            inputs_embeds: `[batch, n, d]` instead of `input_ids`.
            turn_ids: Turn of each token, `[batch, n]`; when None, every token sees every medium.
            segment_ids: Packed dialogue of each token, `[batch, n]`; dialogues do not see one another.
            branch_ids: 0 in the trunk of a packed dialogue, 1 and more in replies that branch off from its end,
                `[batch, n]`: branches see the trunk and themselves.
            streams: What `encode_media` gave.
            keep_attentions: Whether fusion attention weights are returned.
            options: Passed on to the base model.

        Raises:
            ModelError: Replies branch off where media stand in the sequence (prefix fusion).
        """
        embeds = self.get_input_embeddings()(input_ids) if inputs_embeds is None else inputs_embeds
        shape, device = embeds.shape[:2], embeds.device
        streams = streams or {}
        turns = torch.full(shape, torch.iinfo(torch.long).max, device=device) if turn_ids is None else turn_ids
        segments = torch.zeros(shape, dtype=torch.long, device=device) if segment_ids is None else segment_ids
        text_positions = None
        if self.is_prefix and streams:
            if branch_ids is not None:
                raise ModelError("replies cannot branch off behind media in the sequence", where="fusion.kind: prefix")
            prefixed = self.place_media(embeds, attention_mask, turns, segments, streams)
            embeds, attention_mask, segments = (
                prefixed.embeddings,
                prefixed.attention_mask,
                prefixed.segment_ids,
            )
            text_positions = prefixed.text_positions
            position_ids = None if past_key_values is not None else packed_positions(segments, attention_mask)
            if past_key_values is not None and (past := past_key_values.get_seq_length()):
                # The mask of the base model is for everything that it attends to, also what it has read before.
                attention_mask = torch.cat([attention_mask.new_ones(len(attention_mask), past), attention_mask], dim=1)
            streams = {}
        if segment_ids is not None:
            if position_ids is None:
                position_ids = packed_positions(segments, attention_mask, branch_ids)
            if self.language_model.config._attn_implementation == PACKED_ATTENTION and device.type == "cpu":
                options["packed_spans"] = spans_of(segments, attention_mask, branch_ids)
            attention_mask = packed_mask(segments, attention_mask, branch_ids)
            if self.language_model.config._attn_implementation == "eager":
                attention_mask = added_mask(attention_mask, embeds.dtype)
        self._context = FusionContext.of(streams, turns, segments, keep_weights=keep_attentions) if streams else None
        output = self.language_model.get_decoder()(
            inputs_embeds=embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            **options,
        )
        hidden = output.last_hidden_state
        if text_positions is not None:
            hidden = hidden.gather(1, text_positions[..., None].expand(-1, -1, hidden.shape[-1]))
        return RolePlayOutput(
            last_hidden_state=hidden,
            past_key_values=output.past_key_values,
            fusion_attentions=self._context.weights if self._context is not None and keep_attentions else None,
        )

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        turn_ids: Tensor | None = None,
        segment_ids: Tensor | None = None,
        media: Mapping[str, MediaInputs] | None = None,
        streams: Streams | None = None,
        logits_to_keep: int | Tensor = 0,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **options: Any,
    ) -> RolePlayOutput:
        """Run the model.

        Args:
            input_ids: See `decode`.
            attention_mask: See `decode`.
            position_ids: See `decode`.
            past_key_values: See `decode`.
            inputs_embeds: See `decode`.
            turn_ids: See `decode`.
            segment_ids: See `decode`.
            streams: See `decode`.
            return_dict: Accepted for transformers' sake; the output is always a `RolePlayOutput`.
            options: Passed on to the base model.
            labels: Targets `[batch, n]`, -100 where there is none; position t is predicted from the ones before.
            media: Features by modality, encoded here; give `streams` instead to encode them once.
            logits_to_keep: Last so many positions, or these indices; 0 keeps all.
            output_attentions: Whether fusion attention weights are returned.
        """
        if streams is None and media:
            given = input_ids if input_ids is not None else inputs_embeds
            streams = self.encode_media(media, batch=len(given)) if given is not None else None
        output = self.decode(
            input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            turn_ids=turn_ids,
            segment_ids=segment_ids,
            streams=streams,
            keep_attentions=bool(output_attentions),
            **options,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        hidden = output["last_hidden_state"]
        output.logits = self.logits(hidden[:, kept])
        if labels is not None:
            output.loss = nn.functional.cross_entropy(
                output.logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100
            )
        return output

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits of last hidden states `[..., d]`, with the base model's soft-capping where it has one."""
        logits: Tensor = self.get_output_embeddings()(hidden)
        cap = getattr(self.language_model.config.get_text_config(), "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def perceive(
        self,
        hidden: Tensor,
        rows: Tensor,
        positions: Tensor,
        turn_ids: Tensor,
        streams: Streams | None,
        segment_ids: Tensor | None = None,
    ) -> Perception:
        """Intent and emotion at the ends of some user turns.

        Args:
            hidden: Last hidden states `[batch, n, d]`.
            rows: Row of each turn's last token, `[turns]`.
            positions: Position of each turn's last token, `[turns]`.
            turn_ids: Turn of each token, `[batch, n]`.
            streams: The media of the batch.
            segment_ids: Packed dialogue of each token, `[batch, n]`.

        Raises:
            ModelError: The model has no guidance.
        """
        if self.guidance is None:
            raise ModelError("this model has no intent and emotion heads", remedy="Train one with guidance.")
        at = (rows, positions)
        segments = torch.zeros_like(turn_ids) if segment_ids is None else segment_ids
        media = {n: s.select_rows(rows) for n, s in (streams or {}).items() if n != GUIDANCE}
        here = turn_ids[at][:, None], segments[at][:, None]
        shown = hidden.new_zeros(len(rows), self.guidance.emotion_head.out_features)
        for stream in media.values():
            shown = shown + stream.shown_emotion(*here)[:, 0]
        return self.guidance.perceive(hidden[at][:, None], FusionContext.of(media, *here), shown)
