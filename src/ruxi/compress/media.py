"""The graph of one stream of media: resampler, keys and values, and what else is made of its tokens.

See `ruxi.model.resampler` for the network. It runs once a medium, so it stays in float32.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from ruxi.compress.graph import BOOL, FLOAT, INT32, Graph, weights_of
from ruxi.model import RolePlayForCausalLM

Array = npt.NDArray[Any]
State = dict[str, Array]


def build_media(graph: Graph, model: RolePlayForCausalLM, stream: str) -> None:
    """Write the graph of a stream into an empty graph; its inputs and outputs are told in `ruxi.runtime.onnx.bundle`.

    Args:
        graph: The graph.
        model: The model.
        stream: Name of the stream.
    """
    settings, resampler = model.config.modality_settings[stream], model.config.resampler_settings
    graph.input("features", FLOAT, ["media", "vectors", settings.width])
    graph.input("mask", BOOL, ["media", "vectors"])
    writer = _Resampler(graph, weights_of(model.resamplers[stream].state_dict()), resampler.width, resampler.heads)
    tokens = writer.tokens("features", "mask", resampler.depth)
    if model.guidance is not None:
        _write_emotions(graph, model.guidance.media_heads[stream])
    write_keys_values(graph, tokens, model, stream, "media", settings.tokens)
    write_states(graph, tokens, model, "media", settings.tokens)
    if model.alignment is not None:
        projection = model.alignment.projections[stream]
        mean = graph.node("ReduceMean", tokens, graph.integers(1), keepdims=0)
        projected = dense(graph, mean, projection, "alignment")
        unit = graph.node("LpNormalization", projected, axis=-1, p=2)
        graph.output("embedding", unit, FLOAT, ["media", projection.out_features])  # type: ignore[list-item]


def _write_emotions(graph: Graph, head: Any) -> None:
    """Give out the logits of the emotion that each medium shows by itself; see `ruxi.model.guidance.MediaHead`."""
    there = graph.node("Unsqueeze", graph.node("Cast", "mask", to=FLOAT), graph.integers(-1))
    total = graph.node("ReduceSum", graph.node("Mul", "features", there), graph.integers(1), keepdims=0)
    mean = graph.node("Div", total, graph.node("ReduceSum", there, graph.integers(1), keepdims=0))
    norm = weights_of(head.norm.state_dict())
    normed = layer_norm(graph, mean, norm["weight"], norm["bias"], "emotion_norm")
    graph.output("emotions", dense(graph, normed, head.head, "emotions"), FLOAT, ["media", head.head.out_features])


def write_keys_values(
    graph: Graph, tokens: str, model: RolePlayForCausalLM, stream: str, rows: str, count: int
) -> None:
    """Give out keys and values `[sets, rows, heads, count, head_width]` of tokens `[rows, count, width]`."""
    projection: Any = model.fusion.key_value[stream]
    fusion = model.config.fusion_settings
    sets, heads, width = projection.sets, fusion.heads, fusion.head_width
    projected = dense(graph, tokens, projection.projection, "key_value")
    split = graph.node("Reshape", projected, graph.integers(0, 0, sets, 2, heads, width))
    ordered = graph.node("Transpose", split, perm=[3, 2, 0, 4, 1, 5])
    for name, half in zip(
        ("keys", "values"), graph.node("Split", ordered, axis=0, num_outputs=2, outputs=2), strict=True
    ):
        squeezed = graph.node("Squeeze", half, graph.integers(0))
        graph.output(name, squeezed, FLOAT, [sets, rows, heads, count, width])


def write_states(graph: Graph, tokens: str, model: RolePlayForCausalLM, rows: str, count: int) -> None:
    """For prefix fusion, give out tokens in the width of the text."""
    if model.prefix is not None:
        states = dense(graph, tokens, model.prefix, "prefix")
        graph.output("states", states, FLOAT, [rows, count, model.prefix.out_features])


def dense(graph: Graph, x: str, layer: nn.Module, name: str) -> str:
    """A torch linear layer."""
    weights = weights_of(layer.state_dict())
    return graph.linear(x, name, weights["weight"], weights.get("bias"))


def layer_norm(graph: Graph, x: str, weight: Array, bias: Array, name: str) -> str:
    """Layer normalization over the last axis, with torch's epsilon."""
    normed: str = graph.node(
        "LayerNormalization",
        x,
        graph.constant(weight, f"{name}.weight"),
        graph.constant(bias, f"{name}.bias"),
        axis=-1,
        epsilon=1e-5,
    )
    return normed


class _Resampler:
    def __init__(self, graph: Graph, state: State, width: int, heads: int) -> None:
        self._graph, self._state, self._width, self._heads = graph, state, width, heads

    def tokens(self, features: str, mask: str, depth: int) -> str:
        graph, state = self._graph, self._state
        values = self._norm(features, "input_norm")
        values = graph.linear(values, "input", state["input.weight"], state["input.bias"])
        values = graph.node("Add", values, self._positions(features))
        media = graph.node("Shape", features, start=0, end=1)
        count = len(state["latents"])
        shape = graph.node("Concat", media, graph.integers(count, self._width), axis=0)
        latents = graph.node("Expand", graph.constant(state["latents"], "latents"), shape)
        own = graph.node("Concat", media, graph.integers(count), axis=0)
        always = graph.node("Expand", graph.constant(np.asarray(1, np.int32)), own)
        seen = graph.node("Concat", graph.node("Cast", mask, to=INT32), always, axis=1)
        for layer in range(depth):
            latents = self._layer(f"layers.{layer}", latents, values, seen)
        return self._norm(latents, "output_norm")

    def _layer(self, name: str, latents: str, features: str, seen: str) -> str:
        graph = self._graph
        queries = self._norm(latents, f"{name}.latents_norm")
        memory = graph.node("Concat", self._norm(features, f"{name}.features_norm"), queries, axis=1)
        keys, values = graph.node("Split", self._linear(memory, f"{name}.key_value"), axis=-1, num_outputs=2, outputs=2)
        attended = graph.node(
            "ms:MultiHeadAttention",
            self._linear(queries, f"{name}.query"),
            keys,
            values,
            "",
            seen,
            num_heads=self._heads,
            mask_filter_value=-1e9,
        )
        latents = graph.node("Add", latents, self._linear(attended, f"{name}.output"))
        wide = self._linear(self._norm(latents, f"{name}.feed_forward.0"), f"{name}.feed_forward.1")
        narrow = self._linear(graph.node("Gelu", wide), f"{name}.feed_forward.3")
        updated: str = graph.node("Add", latents, narrow)
        return updated

    def _norm(self, x: str, name: str) -> str:
        return layer_norm(self._graph, x, self._state[f"{name}.weight"], self._state[f"{name}.bias"], name)

    def _linear(self, x: str, name: str) -> str:
        return self._graph.linear(x, name, self._state[f"{name}.weight"])

    def _positions(self, features: str) -> str:
        """Sinusoids over the index, for as many vectors as come."""
        graph, half = self._graph, self._width // 2
        rates = np.exp(np.arange(half, dtype=np.float32) * (-math.log(10_000.0) / half)).astype(np.float32)
        length = graph.node("Squeeze", graph.node("Shape", features, start=1, end=2))
        zero, one = (graph.constant(np.asarray(n, np.int64)) for n in (0, 1))
        index = graph.node("Cast", graph.node("Range", zero, length, one), to=FLOAT)
        angles = graph.node("Mul", graph.node("Unsqueeze", index, graph.integers(1)), graph.constant(rates, "rates"))
        waves = graph.node("Concat", graph.node("Sin", angles), graph.node("Cos", angles), axis=-1)
        if self._width % 2:
            waves = graph.node("Pad", waves, graph.integers(0, 0, 0, 1))
        return str(waves)
