"""The weights of a language model, taken out of transformers, with LoRA merged in.

Decoders of one shape are known: RMS norms before attention and feed-forward, grouped-query attention with rotary
embeddings, a gated SiLU feed-forward. That is Llama (SmolLM2 among them), Mistral, Qwen 2, 2.5 and 3, and SmolLM 3.
Whatever a configuration asks for besides is refused by the name of its field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ruxi.errors import ModelError
from ruxi.model import RolePlayForCausalLM
from ruxi.model.base import decoder_layers

Array = npt.NDArray[Any]

SUPPORTED = ("llama", "mistral", "qwen2", "qwen3", "smollm3")
"""`model_type` of the decoders that can be written as a graph."""

_LONGEST = 32_768
_HEAD_MULTIPLE = 16
_FIXED_ROTARY = ("default", "linear", "llama3", "yarn")


@dataclass(frozen=True)
class Matrix:
    """A linear layer: weight `[out, in]` and bias `[out]` or None."""

    weight: Array
    bias: Array | None

    @classmethod
    def stacked(cls, parts: list[Matrix]) -> Matrix:
        """One layer whose outputs are those of several, side by side."""
        weight = np.concatenate([part.weight for part in parts])
        biases = [np.zeros(len(p.weight), np.float32) if p.bias is None else p.bias for p in parts]
        return cls(weight, np.concatenate(biases) if any(p.bias is not None for p in parts) else None)


@dataclass(frozen=True)
class DecoderLayer:
    """One decoder layer.

    Attributes:
        attention_norm: Gains before the attention, `[width]`.
        qkv: Queries, keys and values, side by side.
        query_norm: Gains of each query head, `[head_width]`, or None.
        key_norm: Gains of each key head, `[head_width]`, or None.
        attended: Output projection of the attention.
        feed_norm: Gains before the feed-forward, `[width]`.
        gate_up: Gate and up projections, side by side.
        down: Down projection.
        rotary: Whether positions turn its queries and keys.
        window: How far back it attends, in tokens; None for everything.
    """

    attention_norm: Array
    qkv: Matrix
    query_norm: Array | None
    key_norm: Array | None
    attended: Matrix
    feed_norm: Array
    gate_up: Matrix
    down: Matrix
    rotary: bool
    window: int | None


class LanguageModel:
    """A decoder as arrays; one layer is taken out at a time.

    Args:
        model: The model around it.

    Attributes:
        width: Width of the hidden states.
        heads: Attention heads.
        kv_heads: Heads of keys and values.
        head_width: Width of one head.
        layers: Number of decoder layers.
        epsilon: Of the norms.
        positions: Positions for which there are rotary embeddings.
        tied: Whether the language head is the embedding table.

    Raises:
        ModelError: The decoder is of another shape; the field at fault is named.
    """

    def __init__(self, model: RolePlayForCausalLM) -> None:
        config = model.language_model.config.get_text_config()
        _check(config)
        self._decoder = model.language_model.get_decoder()
        self._layers = decoder_layers(model.language_model)
        self._config = config
        self.width: int = config.hidden_size
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.head_width: int = getattr(config, "head_dim", None) or self.width // self.heads
        if self.head_width % _HEAD_MULTIPLE:
            raise ModelError(
                f"heads are {self.head_width} wide",
                where="text_config.head_dim",
                remedy=f"Only widths that are multiples of {_HEAD_MULTIPLE} can be exported.",
            )
        self.layers = len(self._layers)
        self.epsilon: float = config.rms_norm_eps
        self.positions: int = min(config.max_position_embeddings, _LONGEST)
        head: Any = model.get_output_embeddings()
        table: Any = model.get_input_embeddings()
        self.tied = head.weight is table.weight or torch.equal(head.weight, table.weight)
        self.embeddings = _array(table.weight)
        self.head = self.embeddings if self.tied else _array(head.weight)
        self.norm = _array(self._decoder.norm.weight)

    def layer(self, index: int) -> DecoderLayer:
        """One decoder layer."""
        layer: Any = self._layers[index]
        attention, feed = layer.self_attn, layer.mlp
        # Mistral has one window for all layers in its configuration, the others one in each layer that has any.
        whole = getattr(self._config, "sliding_window", None) if self._config.model_type == "mistral" else None
        rotates = getattr(self._config, "no_rope_layers", None)
        return DecoderLayer(
            attention_norm=_array(layer.input_layernorm.weight),
            qkv=Matrix.stacked([_matrix(attention.q_proj), _matrix(attention.k_proj), _matrix(attention.v_proj)]),
            query_norm=_array(attention.q_norm.weight) if hasattr(attention, "q_norm") else None,
            key_norm=_array(attention.k_norm.weight) if hasattr(attention, "k_norm") else None,
            attended=_matrix(attention.o_proj),
            feed_norm=_array(layer.post_attention_layernorm.weight),
            gate_up=Matrix.stacked([_matrix(feed.gate_proj), _matrix(feed.up_proj)]),
            down=_matrix(feed.down_proj),
            rotary=bool(rotates[index]) if rotates else True,
            window=getattr(attention, "sliding_window", whole),
        )

    def rotary(self) -> tuple[Array, Array]:
        """Cosines and sines of each position, `[positions, head_width / 2]`."""
        positions = torch.arange(self.positions)[None]
        device = self._decoder.norm.weight.device
        with torch.no_grad():
            cosines, sines = self._decoder.rotary_emb(torch.zeros(1, device=device), positions.to(device))
        half = cosines.shape[-1] // 2
        if cosines.shape[-1] != self.head_width:
            raise ModelError(
                f"rotary embeddings turn {cosines.shape[-1]} of {self.head_width} dimensions",
                where="text_config.rope_parameters",
                remedy="Only embeddings that turn whole heads can be exported.",
            )
        return _array(cosines[0, :, :half]), _array(sines[0, :, :half])


def _check(config: Any) -> None:
    remedy = f"Models of these types can be exported: {', '.join(SUPPORTED)}; others run with `--engine torch`."
    if config.model_type not in SUPPORTED:
        raise ModelError(f"is {config.model_type!r}", where="text_config.model_type", remedy=remedy)
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    wrong = {
        "hidden_act": (config.hidden_act, ("silu",)),
        "rope_parameters.rope_type": (rope, _FIXED_ROTARY),
        "final_logit_softcapping": (getattr(config, "final_logit_softcapping", None), (None,)),
    }
    for field, (value, known) in wrong.items():
        if value not in known:
            raise ModelError(
                f"is {value!r}",
                where=f"text_config.{field}",
                remedy=f"Can be exported: {', '.join(map(str, known))}; others run with `--engine torch`.",
            )


def _matrix(module: nn.Module) -> Matrix:
    """A linear layer with what LoRA adds to it."""
    base: Any = getattr(module, "base_layer", module)
    weight = base.weight.detach().float()
    for adapter in getattr(module, "active_adapters", []):
        if adapter in getattr(module, "lora_A", {}):
            weight = weight + module.get_delta_weight(adapter).float()  # type: ignore[operator]
    return Matrix(_array(weight), None if base.bias is None else _array(base.bias))


def _array(tensor: torch.Tensor) -> Array:
    array: Array = np.ascontiguousarray(tensor.detach().float().cpu().numpy())
    return array
