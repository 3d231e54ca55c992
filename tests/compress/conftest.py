"""Tiny random models of every family that can be exported, and their bundles run side by side with torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

from ruxi.compress.export import export_engine
from ruxi.model import RolePlayConfig, RolePlayForCausalLM
from ruxi.runtime.onnx.bundle import DECODER, Bundle
from ruxi.runtime.torch_engine import TorchEngine
from tests.model.conftest import MODALITIES
from tests.scripted import small_tokenizer

FAMILIES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "llama": (LlamaConfig, LlamaForCausalLM, {}),
    "smollm": (
        LlamaConfig,
        LlamaForCausalLM,
        {"num_attention_heads": 9, "num_key_value_heads": 3, "hidden_size": 144, "tied": True},
    ),
    "mistral": (MistralConfig, MistralForCausalLM, {"sliding_window": 6}),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, {}),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM, {}),
    "smollm3": (SmolLM3Config, SmolLM3ForCausalLM, {"no_rope_layers": [1, 1, 0, 1]}),
}
CAPACITY = 64


def tiny_language_model(family: str) -> Any:
    config, model, special = FAMILIES[family]
    special = dict(special)
    shape = {
        "vocab_size": small_tokenizer().get_vocab_size(),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 256,
        "tie_word_embeddings": special.pop("tied", False),
        "initializer_range": 0.3,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    torch.manual_seed(7)
    return model(config(**{**shape, **special}))


def tiny_engine(family: str = "llama", **settings: Any) -> TorchEngine:
    """A model with every part random: open gates, heads, resamplers, LoRA and norms."""
    options: dict[str, Any] = {
        "modalities": MODALITIES,
        "resampler": {"width": 16, "depth": 2, "heads": 2},
        "fusion": {"every": 2, "heads": 2, "head_width": 8},
        "guidance": {},
        "lora": {"rank": 2},
        **settings,
    }
    base = tiny_language_model(family)
    model = RolePlayForCausalLM.around(base, RolePlayConfig(text_config=base.config, **options))
    noise = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            parts = ("norm", "lora", "bias", "media_heads")
            if any(part in name for part in parts) or "gate" in name.rpartition(".")[2]:
                tensor.add_(torch.randn(tensor.shape, generator=noise) * 0.3)
    return TorchEngine(model, small_tokenizer(), name="tiny")


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., tuple[RolePlayForCausalLM, Bundle]]:
    def exported(family: str = "llama", precision: Any = "fp32", **settings: Any) -> tuple[RolePlayForCausalLM, Bundle]:
        engine = tiny_engine(family, **settings)
        return engine.model, export_engine(engine, tmp_path / "bundle", precision)

    return exported


def run(bundle: Bundle, graph: str, **inputs: Any) -> dict[str, Any]:
    """Run one graph of a bundle once."""
    session = onnxruntime.InferenceSession(str(bundle.path(graph)), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


class Decoder:
    """The decoder of a bundle with a cache for so many rows, reading as the contract says."""

    def __init__(self, bundle: Bundle, rows: int) -> None:
        self.session = onnxruntime.InferenceSession(str(bundle.path(DECODER)), providers=["CPUExecutionProvider"])
        self.lengths = np.zeros(rows, dtype=np.int32)
        shape, self.layers = bundle.config.shape, bundle.config.shape.layers
        self.cache = {
            f"{part}_{layer}": onnxruntime.OrtValue.ortvalue_from_numpy(
                np.zeros((rows, shape.kv_heads, CAPACITY, shape.head_width), dtype=np.float32)
            )
            for part in ("key", "value")
            for layer in range(self.layers)
        }

    def read(self, ids: Any, counts: Any = None, keep: Any = None, **media: Any) -> tuple[Any, Any]:
        """Logits and hidden states at `keep`, by default everywhere."""
        rows, tokens = ids.shape
        counts = np.full(rows, tokens) if counts is None else np.asarray(counts)
        self.lengths = (self.lengths + counts).astype(np.int32)
        inputs = {
            "input_ids": np.asarray(ids, dtype=np.int64),
            "query_seqlens": counts.astype(np.int32),
            "seqlens_k": self.lengths - 1,
            "total_sequence_length": np.asarray(max(self.lengths.max(), tokens), dtype=np.int32),
            "keep": np.tile(np.arange(tokens), (rows, 1)) if keep is None else np.asarray(keep, dtype=np.int64),
            **media,
        }
        binding = self.session.io_binding()
        for name, value in inputs.items():
            binding.bind_cpu_input(name, value)
        for name in ("logits", "hidden_states"):
            binding.bind_output(name)
        for name, value in self.cache.items():
            binding.bind_ortvalue_input(f"past_{name}", value)
            binding.bind_ortvalue_output(f"present_{name}", value)
        self.session.run_with_iobinding(binding)
        logits, states = binding.get_outputs()[:2]
        return logits.numpy(), states.numpy()


def fused_inputs(bundle: Bundle, streams: Any, turns: Any) -> dict[str, Any]:
    """Media of torch's streams in the decoder's layout, for tokens of these turns `[rows, tokens]`."""
    fusion, (rows, tokens) = bundle.config.fusion, turns.shape
    longest = max((stream.keys.shape[3] for stream in streams.values()), default=0)
    shape = (fusion.sets, rows, len(fusion.streams) * fusion.heads, longest, fusion.head_width)
    keys, values = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    visible = np.zeros((rows, tokens, len(fusion.streams), longest), dtype=bool)
    for index, name in enumerate(fusion.streams):
        if name in streams:
            stream, heads = streams[name], slice(index * fusion.heads, (index + 1) * fusion.heads)
            count = stream.keys.shape[3]
            keys[:, :, heads, :count] = stream.keys.detach()
            values[:, :, heads, :count] = stream.values.detach()
            visible[:, :, index, :count] = stream.visible(turns, torch.zeros_like(turns))
    return {"visible": visible, "media_keys": keys, "media_values": values}
