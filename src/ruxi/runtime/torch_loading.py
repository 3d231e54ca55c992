"""Opening models for the torch engine: `ruxi-mini`, adapters, and bare language models."""

from __future__ import annotations

from typing import Any

import torch
from transformers.utils import logging

from ruxi.errors import UsageError
from ruxi.model import RolePlayForCausalLM
from ruxi.model.base import PINNED_BASE, base_tokenizer, fastest_precision
from ruxi.runtime.loading import DEFAULT_MODEL, Dtype, adapter_folder
from ruxi.runtime.onnx.bundle import is_bundle
from ruxi.runtime.torch_engine import TorchEngine

DEFAULT_MODALITIES: dict[str, dict[str, Any]] = {
    "image": {"extractor": "efficientnet-lite0", "width": 1280},
    "speech": {"extractor": "whisper-base", "width": 512},
    "video": {"extractor": "video", "width": 1280},
}
"""Streams of a model whose fusion is untrained; what they recognise still reaches the prompt as text."""


def open_torch(name: str, *, dtype: Dtype = "auto", threads: int | None = None) -> TorchEngine:
    """Open a model with the torch engine, see `ruxi.runtime.load`."""
    if is_bundle(name):
        raise UsageError("is a bundle of ONNX graphs", where=name, remedy="Load it with the engine `onnx`.")
    if threads is not None:
        torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = _precision(dtype, device)
    # A reply is one line of output; a progress bar for every load is not.
    logging.disable_progress_bar()
    adapter = adapter_folder(name)
    if adapter is not None:
        model = RolePlayForCausalLM.from_pretrained(adapter, dtype=precision)
    else:
        base = PINNED_BASE if name == DEFAULT_MODEL else name
        model = RolePlayForCausalLM.from_base(base, dtype=precision, modalities=DEFAULT_MODALITIES)
    return TorchEngine(model.to(device), base_tokenizer(model.config.base_model), name=name)


def _precision(dtype: Dtype, device: str) -> torch.dtype:
    if dtype == "auto":
        return fastest_precision(device)
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype not in known:
        raise UsageError(f"no precision is called {dtype!r}", where="dtype", remedy=f"Known: auto, {', '.join(known)}.")
    return known[dtype]
