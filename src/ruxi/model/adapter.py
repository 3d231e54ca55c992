"""Saving and loading what was trained, without the base model.

An adapter folder holds `adapter.safetensors` (resamplers, fusion, guidance, LoRA), `config.json` with the digest of the
base model, and, when it is shipped, a model card.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from transformers import PreTrainedModel

from ruxi import files
from ruxi.errors import ModelError
from ruxi.model.base import digest_of, load_base
from ruxi.model.config import LoraSettings, RolePlayConfig
from ruxi.prompt import ChatFormat

ADAPTER_FILE = "adapter.safetensors"
_BASE_PREFIX = "language_model."
_LORA_MARK = ".lora_"


class AdapterMixin(nn.Module):
    """Loading and saving for `RolePlayForCausalLM`."""

    config: RolePlayConfig
    language_model: PreTrainedModel

    @classmethod
    def from_base(cls, base_model: str, *, dtype: torch.dtype | None = None, **settings: Any) -> Self:
        """Build an untrained model around a base model; with its gates at 0 it answers as the base does.

        Args:
            base_model: Pinned part, folder or Hugging Face id.
            dtype: Precision of all weights; None keeps the base model's own.
            settings: Fields of `RolePlayConfig`: modalities, resampler, fusion, guidance, lora.
        """
        language_model, folder = load_base(base_model, **({} if dtype is None else {"dtype": dtype}))
        config = RolePlayConfig(
            base_model=base_model,
            base_digest=digest_of(folder),
            text_config=language_model.config.get_text_config(),
            chat_format=chat_format_of(folder).model_dump(),
            **settings,
        )
        return cls.around(language_model, config)

    @classmethod
    def around(cls, language_model: PreTrainedModel, config: RolePlayConfig) -> Self:
        """Build an untrained model around a base model that is in memory."""
        if config.lora_settings is not None:
            _inject_lora(language_model, config.lora_settings)
        model = cls(config, language_model)
        model.generation_config = language_model.generation_config
        return model.to(language_model.dtype).eval()

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, dtype: torch.dtype | None = None, base_model: str | None = None
    ) -> Self:
        """Load an adapter and its base model.

        Args:
            folder: Where the adapter is.
            dtype: Precision of all weights; None keeps the base model's own.
            base_model: Where the base model is now, if not under the name that the adapter gives.

        Raises:
            ModelError: Files are missing or damaged, or the base model is another one.
        """
        folder = Path(folder)
        config = _read_config(folder)
        name = base_model or config.base_model
        language_model, base = load_base(name, **({} if dtype is None else {"dtype": dtype}))
        found = digest_of(base)
        if config.base_digest is not None and found != config.base_digest:
            raise ModelError(
                f"was trained on another base model (digest {config.base_digest[:12]}…, {name!r} has {found[:12]}…)",
                where=str(folder),
                remedy="Name the right base model.",
            )
        model = cls.around(language_model, config)
        model.load_adapter_weights(read_adapter_weights(folder), where=folder)
        return model

    def adapter_weights(self) -> dict[str, Tensor]:
        """Everything that is not the base model's, by name."""
        return {name: tensor for name, tensor in self.state_dict().items() if _is_adapter(name)}

    def load_adapter_weights(self, weights: Mapping[str, Tensor], *, where: Path | None = None) -> None:
        """Replace the adapter's weights.

        Raises:
            ModelError: Names or shapes differ from the configuration; all of them are listed.
        """
        own = self.adapter_weights()
        faults = [f"missing {name}" for name in own if name not in weights]
        faults += [f"unexpected {name}" for name in weights if name not in own]
        faults += [
            f"{name} is {list(weights[name].shape)}, not {list(tensor.shape)}"
            for name, tensor in own.items()
            if name in weights and weights[name].shape != tensor.shape
        ]
        if faults:
            more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
            raise ModelError(
                "does not fit its config.json: " + "; ".join(faults[:5]) + more,
                where=str(where) if where else None,
                remedy="Fetch or train the adapter again.",
            )
        self.load_state_dict(dict(weights), strict=False)

    def save_pretrained(
        self, folder: str | Path, *, dtype: torch.dtype | None = None, weights: Mapping[str, Tensor] | None = None
    ) -> None:
        """Save the adapter: its weights first, then the configuration that names them.

        Args:
            folder: Where to; made if needed.
            dtype: Precision on disk; None keeps the one in memory.
            weights: What to save in the place of `adapter_weights()`, for weights that are spread over processes.
        """
        folder = Path(folder)
        given = self.adapter_weights() if weights is None else weights
        tensors = {n: t.detach().to("cpu", dtype).contiguous() for n, t in given.items()}
        files.write_bytes(folder / ADAPTER_FILE, save(tensors, metadata={"format": "pt"}))
        files.write_text(folder / "config.json", self.config.to_json_string())


def chat_format_of(folder: Path) -> ChatFormat:
    """The chat format of a base model's tokenizer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if not tokenizer.chat_template:
        return ChatFormat.plain(tokenizer.eos_token or "")
    return ChatFormat.from_renderer(
        lambda messages, opened: str(
            tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=opened)
        )
    )


def _inject_lora(language_model: PreTrainedModel, settings: LoraSettings) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    targets = settings.targets if isinstance(settings.targets, str) else list(settings.targets)
    # The head is tied to the embeddings in small models, so `all-linear` must not reach it.
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        exclude_modules=["lm_head"],
        task_type="CAUSAL_LM",
    )
    inject_adapter_in_model(lora, language_model)


def _is_adapter(name: str) -> bool:
    return not name.startswith(_BASE_PREFIX) or _LORA_MARK in name


def _read_config(folder: Path) -> RolePlayConfig:
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError("no config.json", where=str(folder), remedy="Name a folder that `ruxi train` made.")
    try:
        config: RolePlayConfig = RolePlayConfig.from_json_file(path)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"not a Ruxi configuration ({error})", where=str(path)) from error
    return config


def read_adapter_weights(folder: Path) -> dict[str, Tensor]:
    """The weights in an adapter folder, by name.

    Raises:
        ModelError: The file is missing or damaged.
    """
    path = folder / ADAPTER_FILE
    if not path.is_file():
        raise ModelError("no such file", where=str(path), remedy="Fetch or train the adapter again.")
    try:
        weights: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise ModelError(f"damaged ({error})", where=str(path), remedy="Fetch or train the adapter again.") from error
    return weights
