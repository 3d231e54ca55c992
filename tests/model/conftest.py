"""Tiny random decoders of three families, with every kind of wrapping around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from ruxi.model import MediaInputs, RolePlayConfig, RolePlayForCausalLM

SHAPE = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
FAMILIES = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
    "gemma2": (Gemma2Config, Gemma2ForCausalLM),
}
MODALITIES = {
    "image": {"extractor": "an-image-encoder", "width": 12, "tokens": 5},
    "speech": {"extractor": "a-speech-encoder", "width": 10, "tokens": 3},
}


def tiny_base(family: str = "llama") -> Any:
    torch.manual_seed(7)
    config, model = FAMILIES[family]
    return model(config(**SHAPE)).eval()


@pytest.fixture
def build() -> Callable[..., RolePlayForCausalLM]:
    def build(family: str = "llama", *, gate: float | None = None, **settings: Any) -> RolePlayForCausalLM:
        options: dict[str, Any] = {
            "modalities": MODALITIES,
            "resampler": {"width": 16, "depth": 1, "heads": 2},
            "fusion": {"every": 2, "heads": 2, "head_width": 8},
            "guidance": {},
            **settings,
        }
        base = tiny_base(family)
        torch.manual_seed(11)
        model = RolePlayForCausalLM.around(base, RolePlayConfig(text_config=base.config, **options))
        if gate is not None:
            for block in model.fusion.blocks.values():
                torch.nn.init.constant_(block.gate, gate)
        return model

    return build


def media(*places: tuple[str, int, int], seed: int = 3, lengths: tuple[int, ...] = ()) -> dict[str, MediaInputs]:
    """Random features for media given as (modality, row, turn)."""
    found: dict[str, MediaInputs] = {}
    for name in dict.fromkeys(p[0] for p in places):
        mine = [(i, p) for i, p in enumerate(places) if p[0] == name]
        sizes = [lengths[i] if lengths else 6 for i, _ in mine]
        values = torch.zeros(len(mine), max(sizes), MODALITIES[name]["width"])
        mask = torch.zeros(len(mine), max(sizes), dtype=torch.bool)
        for k, ((i, _), size) in enumerate(zip(mine, sizes, strict=True)):
            own = torch.Generator().manual_seed(seed + i)
            values[k, :size] = torch.randn(size, values.shape[-1], generator=own)
            mask[k, :size] = True
        rows = torch.tensor([p[1] for _, p in mine])
        turns = torch.tensor([p[2] for _, p in mine])
        found[name] = MediaInputs(values, mask, rows, turns)
    return found


def tokens(batch: int, length: int, seed: int = 5) -> torch.Tensor:
    return torch.randint(3, SHAPE["vocab_size"], (batch, length), generator=torch.Generator().manual_seed(seed))
