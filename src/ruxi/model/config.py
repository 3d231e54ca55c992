"""What is trained around a base model: modalities, resampler, fusion, guidance, LoRA.

The adapter's `config.json` names its base model by digest, so that it is never put on another one by mistake.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from pydantic import BaseModel, ConfigDict, Field
from transformers import AutoConfig, PreTrainedConfig

from ruxi.dialogues.emotions import EMOTIONS
from ruxi.dialogues.intents import INTENTS
from ruxi.errors import ModelError

GUIDANCE = "guidance"
"""Name of the stream that guidance tokens form."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModalitySettings(_Settings):
    """One stream of media.

    Attributes:
        extractor: Name of the frozen extractor whose features come in.
        width: Length of one of its feature vectors.
        tokens: Tokens that the resampler makes of one medium, 64 at most.
    """

    extractor: str
    width: int = Field(gt=0)
    tokens: int = Field(default=32, gt=0, le=64)


class ResamplerSettings(_Settings):
    """The Perceiver resampler of every modality.

    Attributes:
        width: Width of its latents, and of the media tokens that fusion attends to.
        depth: Layers.
        heads: Attention heads; must divide `width`.
        expansion: Width of the feed-forward part, in multiples of `width`.
    """

    width: int = Field(default=192, gt=0)
    depth: int = Field(default=2, gt=0)
    heads: int = Field(default=4, gt=0)
    expansion: int = Field(default=2, gt=0)


class FusionSettings(_Settings):
    """How media tokens meet the text.

    Attributes:
        kind: `cross_attention` fuses inside the decoder; `prefix` puts media tokens before the text of their turn;
            `none` leaves the decoder alone, so that only the guidance's heads and the shared space perceive media.
        every: Fuse before every so-manieth decoder layer, counted so that the last ones are covered evenly.
        heads: Heads of the cross-attention.
        head_width: Width of one head.
        share_projections: One set of query, key and value projections for all fusion layers, so that a medium's
            keys and values are computed and kept once.
    """

    kind: Literal["cross_attention", "prefix", "none"] = "cross_attention"
    every: int = Field(default=6, gt=0)
    heads: int = Field(default=4, gt=0)
    head_width: int = Field(default=64, gt=0)
    share_projections: bool = True


class GuidanceSettings(_Settings):
    """Intent and emotion heads, and the tokens made of what they perceive.

    Attributes:
        emotions: Labels of the emotion head, in the order of its outputs.
        intents: Labels of the intent head, in the order of its outputs.
        dropout: Dropout on the states that the heads read, while training.
        media_dropout: Dropout on what the heads of single media read, while training.
    """

    emotions: tuple[str, ...] = EMOTIONS
    intents: tuple[str, ...] = tuple(INTENTS)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    media_dropout: float = Field(default=0.2, ge=0, lt=1)


class AlignmentSettings(_Settings):
    """A shared space of media and sentences, for contrastive alignment and retrieval.

    Attributes:
        extractor: Sentence encoder whose vectors the media are compared with.
        width: Length of its vectors.
    """

    extractor: str = "all-minilm-l6-v2"
    width: int = Field(default=384, gt=0)


class LoraSettings(_Settings):
    """Low-rank adapters in the base model (Hu et al., 2021).

    Attributes:
        rank: Rank of the update.
        alpha: Scale; the update is multiplied by `alpha / rank`.
        dropout: Dropout on the adapter's input while training.
        targets: Names of the linear layers, or `all-linear`.
    """

    rank: int = Field(default=8, gt=0)
    alpha: float = Field(default=16, gt=0)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    targets: str | tuple[str, ...] = "all-linear"


@strict
class RolePlayConfig(PreTrainedConfig):
    """Configuration of `RolePlayForCausalLM`.

    Attributes:
        base_model: Pinned part, folder or Hugging Face id of the language model.
        base_digest: SHA-256 that identifies its weights.
        text_config: Its configuration.
        modalities: Streams by name (`image`, `speech`, `video`, …), see `ModalitySettings`.
        resampler: See `ResamplerSettings`.
        fusion: See `FusionSettings`.
        guidance: See `GuidanceSettings`; None for none.
        alignment: See `AlignmentSettings`; None for none.
        lora: See `LoraSettings`; None leaves the language model as it is.
        chat_format: The strings around each role's words, see `ruxi.prompt.ChatFormat`.
    """

    model_type = "ruxi"
    sub_configs = {"text_config": AutoConfig}  # noqa: RUF012 (the base class reads it as a plain attribute)

    base_model: str = ""
    base_digest: str | None = None
    text_config: dict[str, Any] | PreTrainedConfig | None = None
    modalities: dict[str, Any] | None = None
    resampler: dict[str, Any] | None = None
    fusion: dict[str, Any] | None = None
    guidance: dict[str, Any] | None = None
    alignment: dict[str, Any] | None = None
    lora: dict[str, Any] | None = None
    chat_format: dict[str, Any] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Turn a stored base configuration back into its class, and check the settings."""
        # transformers writes into sub-configurations; the language model's own must stay untouched.
        self.text_config = copy.deepcopy(self.text_config)
        if isinstance(self.text_config, dict):
            stored = dict(self.text_config)
            self.text_config = AutoConfig.for_model(stored.pop("model_type"), **stored)
        if isinstance(self.text_config, PreTrainedConfig):
            # Where the base was found on one machine says nothing on another; `base_model` names it.
            self.text_config.name_or_path = self.base_model
        super().__post_init__(**kwargs)
        resampler = self.resampler_settings
        if resampler.width % resampler.heads:
            raise ModelError(
                f"{resampler.heads} heads do not divide a width of {resampler.width}",
                where="resampler.heads",
                remedy="Choose a divisor of the width.",
            )
        _ = self.modality_settings, self.fusion_settings, self.guidance_settings
        _ = self.alignment_settings, self.lora_settings

    @property
    def modality_settings(self) -> dict[str, ModalitySettings]:
        """The streams of media, by name."""
        return {name: ModalitySettings(**settings) for name, settings in (self.modalities or {}).items()}

    @property
    def resampler_settings(self) -> ResamplerSettings:
        """The resampler's settings."""
        return ResamplerSettings(**(self.resampler or {}))

    @property
    def fusion_settings(self) -> FusionSettings:
        """The fusion's settings."""
        return FusionSettings(**(self.fusion or {}))

    @property
    def guidance_settings(self) -> GuidanceSettings | None:
        """The guidance's settings, or None when the model has no guidance."""
        return None if self.guidance is None else GuidanceSettings(**self.guidance)

    @property
    def alignment_settings(self) -> AlignmentSettings | None:
        """The space shared with sentences, or None."""
        return None if self.alignment is None else AlignmentSettings(**self.alignment)

    @property
    def lora_settings(self) -> LoraSettings | None:
        """The language model's adapter, or None."""
        return None if self.lora is None else LoraSettings(**self.lora)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of all K/V streams, guidance last."""
        return (*self.modality_settings, *((GUIDANCE,) if self.guidance is not None else ()))

    def fusion_layers(self, layers: int) -> tuple[int, ...]:
        """Indices of the decoder layers with a fusion block before them.

        Args:
            layers: Number of decoder layers of the base model.
        """
        every = self.fusion_settings.every
        return tuple(range((layers - 1) % every, layers, every)) if self.streams else ()
