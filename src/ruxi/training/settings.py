"""The sections of a recipe, one class each; `ruxi.training.recipe` puts them together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Fields of a recipe; others are refused."""

    model_config = ConfigDict(extra="forbid")


PairKind = Literal["rated", "compared", "out_of_character", "speaks_for_user", "wrong_picture"]
"""Kinds of reply pairs, see `ruxi.training.pairs`."""

ChoiceKind = Literal["other_role", "same_role", "opposite", "name"]
"""What the wrong replies are, see `ruxi.training.choices`, `statements` and `introductions` beside it."""


class DataSource(Section):
    """One data set in the mixture."""

    path: Path = Field(description="Folder of a data set, as `ruxi data import` writes it.")
    weight: float = Field(1.0, ge=0, description="How often its dialogues are seen, relative to once an epoch.")
    limit: int | None = Field(
        None, gt=0, description="Take this many dialogues of each split at most, drawn by their ids."
    )
    with_media: bool = Field(False, description="Take dialogues only in which a picture, sound or video is there.")
    speakers: Literal["characters", "all", "none", "transcripts"] = Field(
        "characters",
        description="Whose words are learnt: those of cast members of kind `character`, everybody's, nobody's "
        "(then only labels are), or those of a listener who writes down what is said in each sound.",
    )
    describe_media: float = Field(
        0.5, ge=0, le=1, description="Share of dialogues whose labels and transcripts stand in the text as well."
    )
    languages: list[str] | None = Field(None, description="Take dialogues in these languages only.")
    preferences: list[PairKind] = Field(
        default_factory=list,
        description="Make pairs of a better and a worse reply instead: `rated`, `compared` (preferences.jsonl), "
        "`out_of_character`, `speaks_for_user`, `wrong_picture`.",
    )
    choices: list[ChoiceKind] = Field(
        default_factory=list,
        description="Put one reply of each dialogue among wrong ones instead: words of an `other_role`, or of the "
        "`same_role` in other dialogues, in turn; what roles say of themselves beside its `opposite`; and a "
        "role's `name` among others.",
    )
    alternatives: bool = Field(
        False, description="Learn what else is right at the end of a dialogue, too, as all captions of a picture."
    )


class SequenceSettings(Section):
    """How dialogues become sequences."""

    length: int = Field(1024, ge=64, description="Tokens in one packed row.")
    persona_tokens: int | None = Field(256, gt=0, description="Longest persona; longer ones are cut.")
    rows: int = Field(1, gt=0, description="Packed rows in one batch.")
    modality_dropout: float = Field(0.1, ge=0, lt=1, description="Share of media that are hidden while training.")


class ObjectiveWeights(Section):
    """Weights of the losses; 0 leaves one out."""

    reply: float = Field(1.0, ge=0, description="Likelihood of the character's words.")
    emotion: float = Field(0.0, ge=0, description="Emotion at the end of a turn, by the guidance's head.")
    intent: float = Field(0.0, ge=0, description="Intent at the end of a turn, by the guidance's head.")
    media_emotion: float = Field(0.0, ge=0, description="That emotion, by the head of each kind of media alone.")
    contrastive: float = Field(0.0, ge=0, description="InfoNCE between media and what is said about them.")
    speech_kl: float = Field(
        0.0, ge=0, description="Answer to speech as to its transcript: KL to the model's own distribution."
    )
    preference: float = Field(0.0, ge=0, description="DPO on pairs of replies; sources name their `preferences`.")
    choice: float = Field(
        0.0,
        ge=0,
        description="The true reply among others, by what the dialogue makes likelier; sources name `choices`.",
    )
    distillation: float = Field(0.0, ge=0, description="KL to the teacher's distribution on the character's tokens.")


class PreferenceSettings(Section):
    """Direct preference optimisation."""

    beta: float = Field(0.1, gt=0, description="How strongly the model is held to the reference.")
    reference: Literal["start", "base"] = Field(
        "start", description="The model as it starts, or the base model with everything around it switched off."
    )


class ChoiceSettings(Section):
    """Choosing the true reply among others."""

    candidates: int = Field(8, ge=2, description="Replies to choose from, the true one among them.")
    reply_tokens: int = Field(48, gt=0, description="Tokens of each that are scored; longer ones are cut.")
    context_tokens: int = Field(384, ge=32, description="Tokens of persona and dialogue before them.")
    temperature: float = Field(1.0, gt=0, description="Above 1 a clear choice still teaches.")


class TeacherSettings(Section):
    """A local model whose distribution is learnt."""

    model: str = Field(description="Adapter folder, pinned part, folder or Hugging Face id, with the same tokenizer.")
    temperature: float = Field(1.0, gt=0, description="Above 1 the tokens that it finds unlikely count for more.")


class OptimiserSettings(Section):
    """AdamW and its schedule."""

    learning_rate: float = Field(2e-4, gt=0, description="Peak rate of the language model's LoRA.")
    fusion_learning_rate: float | None = Field(
        None, gt=0, description="Peak rate of resamplers, fusion, heads; by default that of the LoRA."
    )
    gate_learning_rate: float | None = Field(
        None, gt=0, description="Peak rate of the fusion gates; by default that of the fusion."
    )
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = Field("cosine", description="Shape after warm-up.")
    warmup: float = Field(0.03, ge=0, lt=1, description="Share of the steps that warm up.")
    weight_decay: float = Field(0.01, ge=0, description="Decoupled weight decay; norms, biases, gates have none.")
    clip: float = Field(1.0, gt=0, description="Largest gradient norm.")
    accumulation: int = Field(1, gt=0, description="Batches whose gradients are added before a step.")


class RunSettings(Section):
    """How long, how often, when to stop."""

    epochs: float = Field(1.0, gt=0, description="Passes over the mixture; ignored where `steps` is given.")
    steps: int | None = Field(None, gt=0, description="Optimiser steps.")
    evaluate_every: int = Field(200, gt=0, description="Steps between evaluations; a checkpoint is kept with each.")
    evaluation_limit: int = Field(200, gt=0, description="Dialogues in an evaluation at most.")
    patience: int | None = Field(5, gt=0, description="Evaluations without a better metric before stopping.")
    metric: str = Field("loss", description="What early stopping and the best checkpoint go by, e.g. `reply_nats`.")
    interpolate: float = Field(
        1.0, gt=0, le=1, description="Share of what training changed that the adapter has; below 1 it forgets less."
    )
    log_every: int = Field(10, gt=0, description="Steps between log lines.")
    seed: int = Field(1, ge=0, description="Seeds order, dropout and new weights.")
    precision: Literal["auto", "bfloat16", "float32"] = Field("auto", description="Arithmetic of the forward pass.")
    example_prompts: int = Field(2, ge=0, description="Validation dialogues whose replies are shown in TensorBoard.")

    @property
    def measure(self) -> str:
        """The metric without the prefix that the Trainer gives it."""
        return self.metric.removeprefix("eval_")


class ModelSettings(Section):
    """What is trained around which base model; see `ruxi.model.config` for the fields of each part."""

    base: str = Field("smollm2-135m-instruct", description="Pinned part, folder, or Hugging Face id.")
    start_from: Path | None = Field(None, description="Adapter folder to go on from; its parts that fit are taken.")
    modalities: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Streams of media.")
    resampler: dict[str, Any] = Field(default_factory=dict, description="Perceiver resampler.")
    fusion: dict[str, Any] = Field(default_factory=dict, description="How media meet the text.")
    guidance: dict[str, Any] | None = Field(None, description="Intent and emotion heads, guidance tokens.")
    alignment: dict[str, Any] | None = Field(None, description="Space shared by media and sentences.")
    lora: dict[str, Any] | None = Field(None, description="Low-rank adapters in the language model.")
    freeze: list[str] = Field(
        default_factory=list,
        description="Adapter parts that stay as they are: lora, resamplers, fusion, guidance, alignment; of one stream "
        "alone `resamplers.image`; of cross-attention `fusion.image`, and `fusion.text` for what streams share.",
    )

    @property
    def fusion_kind(self) -> str:
        """How media meet the text, cross-attention unless it is said."""
        return str(self.fusion.get("kind", "cross_attention"))

    @model_validator(mode="after")
    def _parts_are_known(self) -> Self:
        known = ["lora", "resamplers", *(f"resamplers.{name}" for name in self.modalities), "fusion"]
        if self.fusion_kind == "cross_attention":
            streams = ("text", *self.modalities, *(() if self.guidance is None else ("guidance",)))
            known += [f"fusion.{name}" for name in streams]
        known += ["guidance", "alignment"]
        wrong = sorted(set(self.freeze) - set(known))
        if wrong:
            raise ValueError(f"'freeze' names {', '.join(wrong)}; known: {', '.join(known)}")
        return self
