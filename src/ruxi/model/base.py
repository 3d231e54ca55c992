"""The base language model: loading it, telling it from others, finding its decoder layers.

Any Hugging Face decoder will do whose layers take the hidden states first; Llama, Qwen and Gemma are tested.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from ruxi import files, weights
from ruxi.errors import ModelError

PINNED_BASE = "smollm2-135m-instruct"


def base_folder(name: str) -> Path:
    """The local folder of a base model.

    Args:
        name: Pinned part, folder, or Hugging Face id.
    """
    if name == PINNED_BASE:
        return weights.require(name) / "hf"
    return weights.resolve(name)


def load_base(name: str, **options: Any) -> tuple[PreTrainedModel, Path]:
    """Load a base model and say where it came from.

    Args:
        name: Pinned part, folder, or Hugging Face id.
        options: Passed on to `AutoModelForCausalLM.from_pretrained`, for example `dtype`.

    Raises:
        ModelError: The folder holds no language model.
    """
    folder = base_folder(name)
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, **options)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"not a language model that transformers can load ({error})".splitlines()[0],
            where=str(folder),
            remedy="Name a folder or hub id with a config.json and safetensors.",
        ) from error
    return model.eval(), folder


def base_tokenizer(name: str) -> Tokenizer:
    """The tokenizer of a base model.

    Args:
        name: Pinned part, folder, or Hugging Face id.
    """
    tokenizer: Tokenizer = AutoTokenizer.from_pretrained(base_folder(name)).backend_tokenizer
    return tokenizer


def fastest_precision(device: str) -> torch.dtype:
    """bfloat16 where the machine has instructions for it; elsewhere it is emulated and slower than float32.

    Args:
        device: `cpu` or `cuda`.
    """
    cpu = torch.cpu.get_capabilities()
    fast = device == "cuda" or cpu.get("avx512_bf16", False) or cpu.get("amx_bf16", False)
    return torch.bfloat16 if fast else torch.float32


def digest_of(folder: Path) -> str:
    """SHA-256 over the digests of a base model's weight files.

    Raises:
        ModelError: The folder has no safetensors.
    """
    parts = sorted(folder.glob("*.safetensors"))
    if not parts:
        raise ModelError("has no safetensors", where=str(folder), remedy="Save the base model as safetensors.")
    combined = hashlib.sha256()
    for part in parts:
        combined.update(files.sha256_of(part).encode())
    return combined.hexdigest()


def decoder_layers(model: PreTrainedModel) -> nn.ModuleList:
    """The decoder's layers, in order.

    Raises:
        ModelError: The model keeps them in a way that is not known.
    """
    layers = getattr(model.get_decoder(), "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise ModelError(
            f"{type(model).__name__} keeps its decoder layers somewhere unknown",
            remedy="Choose a decoder like Llama, Qwen or Gemma.",
        )
    return layers
