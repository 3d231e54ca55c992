"""The decoder as a graph: base model, fusion blocks, language head, and a key-value cache that is written in place.

What makes it fast: queries, keys and values in one product, gate and up projection in one, rotary embedding and cache
inside `GroupQueryAttention`, each residual sum together with the norm after it, and the last layer's feed-forward and
the language head on the wanted positions alone. Its inputs and outputs are told in `ruxi.runtime.onnx.bundle`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ruxi.compress.fusion import DecoderFusion
from ruxi.compress.graph import BOOL, FLOAT, INT32, INT64, Array, Graph
from ruxi.compress.language_model import DecoderLayer, LanguageModel
from ruxi.compress.quantize import Quantization

if TYPE_CHECKING:
    from ruxi.compress.export import Progress


@dataclass(frozen=True)
class Precisions:
    """How the matrices of a decoder are stored; None is float32.

    Attributes:
        layers: The matrices of the decoder layers.
        fusion: Those of the fusion blocks.
        head: The language head.
        embeddings: The token embeddings; those that are tied to the head and stored alike are stored once.
        special: Other choices for single matrices, by their name (`layers.3.down`).
        moments: Second moments of what the matrices read, by their name, for calibrated rounding.
    """

    layers: Quantization | None = None
    fusion: Quantization | None = None
    head: Quantization | None = None
    embeddings: Quantization | None = None
    special: dict[str, Quantization | None] = field(default_factory=dict)
    moments: dict[str, Array] = field(default_factory=dict)

    def of(self, name: str) -> Quantization | None:
        """How a layer's matrix is stored."""
        return self.special.get(name, self.layers)

    def bits(self) -> dict[str, int]:
        """Bits of a weight, by part of the decoder; where the layers differ, those of their parts."""
        parts = {"embeddings": self.embeddings, "head": self.head, "fusion": self.fusion, "layers": self.layers}
        parts |= {name.split(".", 2)[-1]: how for name, how in self.special.items()}
        return {name: how.bits if how is not None else 32 for name, how in parts.items()}


def build_decoder(
    graph: Graph,
    model: LanguageModel,
    precisions: Precisions,
    *,
    fusion: DecoderFusion | None = None,
    prefix: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write a decoder into an empty graph.

    Args:
        graph: The graph.
        model: The language model.
        precisions: How its matrices are stored.
        fusion: The fusion blocks; None for a model without.
        prefix: Whether media stand in the sequence.
        progress: Told after each layer.
    """
    graph.input("input_ids", INT64, ["batch", "tokens"])
    graph.input("query_seqlens", INT32, ["batch"])
    graph.input("seqlens_k", INT32, ["batch"])
    graph.input("total_sequence_length", INT32, [])
    graph.input("keep", INT64, ["batch", "kept"])
    hidden = embed(graph, "input_ids", model, precisions)
    if prefix:
        graph.input("media_states", FLOAT, ["batch", "tokens", model.width])
        graph.input("is_media", BOOL, ["batch", "tokens"])
        hidden = graph.node("Where", _unsqueezed(graph, "is_media"), "media_states", hidden)
    if fusion is not None:
        fusion.prepare(graph)
    writer = _LayerWriter(graph, model, precisions)
    keep = _unsqueezed(graph, "keep")
    added: str | None = None
    for index in range(model.layers):
        layer = model.layer(index)
        if fusion is not None and index in fusion.layers:
            normed, hidden = fusion.block(graph, index, hidden, added, layer.attention_norm, model.epsilon)
        else:
            normed, hidden = graph.residual_norm(
                hidden, added, layer.attention_norm, f"layers.{index}.attention_norm", model.epsilon
            )
        last = index == model.layers - 1
        hidden, added = writer.layer(layer, index, normed, hidden, keep=keep if last else None)
        if progress is not None:
            progress("decoder", index + 1, model.layers)
    states, _ = graph.residual_norm(hidden, added, model.norm, "norm", model.epsilon)
    logits = graph.linear(
        states,
        _head_name(model, precisions),
        model.head,
        precision=precisions.head,
        moments=precisions.moments.get("head"),
    )
    graph.output("logits", logits, FLOAT, ["batch", "kept", len(model.head)])
    graph.output("hidden_states", states, FLOAT, ["batch", "kept", model.width])
    for index in range(model.layers):
        for name in ("key", "value"):
            shape: list[int | str] = ["batch", model.kv_heads, "capacity", model.head_width]
            graph.input(f"past_{name}_{index}", FLOAT, shape)
            graph.output(f"present_{name}_{index}", f"present_{name}_{index}", FLOAT, shape)


def embed(graph: Graph, ids: str, model: LanguageModel, precisions: Precisions) -> str:
    """Token embeddings of ids."""
    return graph.rows(ids, "embeddings", model.embeddings, precisions.embeddings)


def _head_name(model: LanguageModel, precisions: Precisions) -> str:
    """The head has the table's name where both are one matrix."""
    shared = model.tied and precisions.head == precisions.embeddings and precisions.head is not None
    return "embeddings" if shared else "head"


def _unsqueezed(graph: Graph, value: str) -> str:
    found: str = graph.node("Unsqueeze", value, graph.integers(-1))
    return found


class _LayerWriter:
    def __init__(self, graph: Graph, model: LanguageModel, precisions: Precisions) -> None:
        self._graph = graph
        self._model = model
        self._precisions = precisions
        cosines, sines = model.rotary()
        self._cosines = graph.constant(cosines, "rotary.cosines")
        self._sines = graph.constant(sines, "rotary.sines")

    def layer(self, layer: DecoderLayer, index: int, normed: str, hidden: str, keep: str | None) -> tuple[str, str]:
        """The hidden states after the attention, and what the feed-forward adds to them."""
        name = f"layers.{index}"
        attended = self._attention(layer, index, normed)
        if keep is not None:
            attended = self._graph.node("GatherND", attended, keep, batch_dims=1)
            hidden = self._graph.node("GatherND", hidden, keep, batch_dims=1)
        attended = self._linear(attended, f"{name}.attended", layer.attended.weight, layer.attended.bias)
        normed, hidden = self._graph.residual_norm(
            hidden, attended, layer.feed_norm, f"{name}.feed_norm", self._model.epsilon
        )
        both = self._linear(normed, f"{name}.gate_up", layer.gate_up.weight, layer.gate_up.bias)
        gate, up = self._graph.node("Split", both, axis=-1, num_outputs=2, outputs=2)
        active = self._graph.node("ms:QuickGelu", gate, alpha=1.0)  # with alpha 1 it is SiLU
        product = self._graph.node("Mul", active, up)
        return hidden, self._linear(product, f"{name}.down", layer.down.weight, layer.down.bias)

    def _attention(self, layer: DecoderLayer, index: int, normed: str) -> str:
        graph, model = self._graph, self._model
        qkv = self._linear(normed, f"layers.{index}.qkv", layer.qkv.weight, layer.qkv.bias)
        queries, keys, values = qkv, "", ""
        if layer.query_norm is not None and layer.key_norm is not None:
            own, shared = model.heads * model.head_width, model.kv_heads * model.head_width
            queries, keys, values = graph.node("Split", qkv, graph.integers(own, shared, shared), axis=-1, outputs=3)
            queries = self._head_norm(queries, layer.query_norm, f"layers.{index}.query_norm")
            keys = self._head_norm(keys, layer.key_norm, f"layers.{index}.key_norm")
        rotary = [self._cosines, self._sines] if layer.rotary else ["", ""]
        attended: str = graph.node(
            "ms:GroupQueryAttention",
            queries,
            keys,
            values,
            f"past_key_{index}",
            f"past_value_{index}",
            "seqlens_k",
            "total_sequence_length",
            *rotary,
            *[""] * 7,
            "query_seqlens",
            outputs=[f"attention_{index}", f"present_key_{index}", f"present_value_{index}"],
            num_heads=model.heads,
            kv_num_heads=model.kv_heads,
            do_rotary=int(layer.rotary),
            local_window_size=layer.window or -1,
        )[0]
        return attended

    def _head_norm(self, states: str, gains: Array, name: str) -> str:
        graph, model = self._graph, self._model
        heads = graph.node("Reshape", states, graph.integers(0, 0, -1, model.head_width))
        normed, _ = graph.residual_norm(heads, None, gains, name, model.epsilon)
        flat: str = graph.node("Reshape", normed, graph.integers(0, 0, -1))
        return flat

    def _linear(self, x: str, name: str, weight: Array, bias: Array | None) -> str:
        precisions = self._precisions
        return self._graph.linear(x, name, weight, bias, precisions.of(name), precisions.moments.get(name))
