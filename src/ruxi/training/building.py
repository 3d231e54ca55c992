"""Models and objectives as a recipe describes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ruxi.errors import ModelError
from ruxi.features import load_extractor
from ruxi.model import RolePlayForCausalLM
from ruxi.model.adapter import read_adapter_weights
from ruxi.model.base import base_tokenizer, fastest_precision
from ruxi.runtime.loading import adapter_folder
from ruxi.training.kernels import speed_up
from ruxi.training.objectives import (
    Choice,
    Contrastive,
    Distillation,
    Emotion,
    Intent,
    MediaEmotion,
    Objective,
    Preference,
    Reply,
    SpeechKL,
)
from ruxi.training.recipe import Recipe

if TYPE_CHECKING:
    from ruxi.training.run import Prepared


def build_model(recipe: Recipe) -> RolePlayForCausalLM:
    """The model of a recipe, its parts taken from `start_from` where they fit.

    Raises:
        ModelError: The base model cannot be loaded, or no part of the starting adapter fits.
    """
    settings = recipe.model
    torch.manual_seed(recipe.run.seed)
    model = RolePlayForCausalLM.from_base(
        settings.base,
        dtype=precision_of(recipe),
        modalities=settings.modalities,
        resampler=settings.resampler,
        fusion=settings.fusion,
        guidance=settings.guidance,
        alignment=settings.alignment,
        lora=settings.lora,
    )
    if settings.start_from is not None:
        take_weights(model, settings.start_from)
    return model


def precision_of(recipe: Recipe) -> torch.dtype:
    """The arithmetic of the forward pass; `auto` is bfloat16 where the machine computes it well."""
    if recipe.run.precision != "auto":
        return {"bfloat16": torch.bfloat16, "float32": torch.float32}[recipe.run.precision]
    return fastest_precision("cuda" if torch.cuda.is_available() else "cpu")


def pad_token(model: RolePlayForCausalLM) -> int:
    """The token id that fills rows up; it is never read."""
    config: Any = model.language_model.config.get_text_config()
    pad: Sequence[int] | int | None = config.pad_token_id if config.pad_token_id is not None else config.eos_token_id
    return (pad[0] if isinstance(pad, list) else pad) or 0  # type: ignore[return-value]


def take_weights(model: RolePlayForCausalLM, adapter: Path) -> int:
    """Copy the weights of an adapter that have the same names and shapes.

    Returns:
        How many tensors were taken.

    Raises:
        ModelError: None fits.
    """
    own = model.adapter_weights()
    given = {
        name: tensor
        for name, tensor in read_adapter_weights(adapter).items()
        if name in own and own[name].shape == tensor.shape
    }
    if not given:
        raise ModelError("shares no part with this recipe's model", where=str(adapter))
    model.load_state_dict(given, strict=False)
    return len(given)


def build_objectives(recipe: Recipe, prepared: Prepared) -> list[tuple[Objective, float]]:
    """The objectives with a weight, in the recipe's order."""
    weights = recipe.objectives
    chosen: list[tuple[Objective, float]] = []
    if weights.reply:
        chosen.append((Reply(), weights.reply))
    if weights.emotion:
        chosen.append((Emotion(), weights.emotion))
    if weights.intent:
        chosen.append((Intent(), weights.intent))
    if weights.media_emotion:
        chosen.append((MediaEmotion(), weights.media_emotion))
    if weights.contrastive:
        chosen.append((Contrastive(sentence_encoder(prepared.model)), weights.contrastive))
    if weights.speech_kl:
        chosen.append((SpeechKL(), weights.speech_kl))
    if weights.preference:
        chosen.append((Preference(recipe.preference.beta), weights.preference))
    if weights.choice:
        chosen.append((Choice(recipe.choice.temperature), weights.choice))
    if weights.distillation and recipe.teacher is not None:
        teacher = load_teacher(recipe.teacher.model, prepared.model, precision_of(recipe))
        chosen.append((Distillation(teacher, recipe.teacher.temperature), weights.distillation))
    return chosen


def load_teacher(name: str, student: RolePlayForCausalLM, precision: torch.dtype) -> RolePlayForCausalLM:
    """A model to be learnt from.

    Args:
        name: Adapter folder, pinned part, folder or Hugging Face id.
        student: Who learns.
        precision: Precision of all its weights.

    Raises:
        ModelError: It cannot be loaded, reads other tokens than the student, or other features of the same media.
    """
    adapter = adapter_folder(name)
    teacher: RolePlayForCausalLM = (
        RolePlayForCausalLM.from_base(name, dtype=precision)
        if adapter is None
        else RolePlayForCausalLM.from_pretrained(adapter, dtype=precision)
    )
    own, other = (base_tokenizer(m.config.base_model).get_vocab(True) for m in (student, teacher))
    if own != other:
        raise ModelError(
            "its tokenizer is not the student's",
            where=f"teacher {name!r}",
            remedy="Name a model of the same family, or use `ruxi data distil`, which needs only its words.",
        )
    extractors = {stream: m.extractor for stream, m in student.config.modality_settings.items()}
    for stream, modality in teacher.config.modality_settings.items():
        if extractors.get(stream, modality.extractor) != modality.extractor:
            raise ModelError(
                f"reads {stream} by {modality.extractor!r}, the student by {extractors[stream]!r}",
                where=f"teacher {name!r}",
                remedy="Give both the same extractor.",
            )
    speed_up(teacher.language_model)
    return teacher


def sentence_encoder(model: RolePlayForCausalLM) -> CachedSentences:
    """The frozen sentence encoder that the model's alignment was made for."""
    settings = model.config.alignment_settings
    if settings is None:
        raise ModelError("has no alignment", where="model", remedy="Add `alignment: {}` to the recipe's model.")
    return _cached_sentences(settings.extractor)


@cache
def _cached_sentences(extractor: str) -> CachedSentences:
    """One for all folds and trials of a process."""
    return CachedSentences(extractor)


class CachedSentences:
    """Sentence vectors, each computed once.

    Args:
        extractor: Name of a text extractor with `embed(texts)`.
    """

    def __init__(self, extractor: str) -> None:
        self._encoder = load_extractor(extractor)
        self._vectors: dict[str, Tensor] = {}

    def __call__(self, sentences: Sequence[str]) -> Tensor:
        """Unit vectors `[n, width]`."""
        new = [text for text in dict.fromkeys(sentences) if text not in self._vectors]
        if new:
            vectors = torch.from_numpy(self._encoder.embed(new))  # type: ignore[attr-defined]
            self._vectors.update(zip(new, vectors, strict=True))
        return torch.stack([self._vectors[text] for text in sentences])
