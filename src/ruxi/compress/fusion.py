"""Fusion blocks as graphs, see `ruxi.model.fusion` for the formulas.

Streams attend side by side: stream k has the heads H*k … H*(k+1)-1 of one `MultiHeadAttention`, so the attended values
come out concatenated as the formula wants them. The gate is part of the matrix that mixes. A pass in which no token
sees anything runs the branch that adds and normalizes, as a model without fusion does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ruxi.compress.graph import BOOL, FLOAT, Graph
from ruxi.compress.quantize import Quantization

Array = npt.NDArray[Any]

_HIDDEN = -1e9
TORCH_EPSILON = float(np.finfo(np.float32).eps)
"""`torch.nn.RMSNorm` without an epsilon of its own takes that of the type."""


@dataclass(frozen=True)
class Block:
    """The weights of one fusion block.

    Attributes:
        norm: Gains before the query projection, `[width]`.
        query: Query projection, `[heads * head_width, width]`.
        mix: W_f times tanh(g), `[width, width + streams * heads * head_width]`.
        key_value_set: Which set of keys and values it reads.
    """

    norm: Array
    query: Array
    mix: Array
    key_value_set: int


@dataclass(frozen=True)
class Reading:
    """What all blocks of a pass share.

    Attributes:
        bias: Added to the attention's logits, `[batch, streams * heads, tokens, m]`.
        sees: 1 where the concatenation counts, else 0, `[batch, tokens, width + streams * heads * head_width]`.
    """

    bias: str
    sees: str


class DecoderFusion:
    """All fusion blocks of a decoder.

    Args:
        blocks: By decoder layer; a block whose gate is 0 is left out.
        width: Width of the hidden states.
        streams: Number of streams.
        heads: Heads of one stream.
        head_width: Width of a head.
        sets: Sets of keys and values.
        precision: How query and mix matrices are stored.
    """

    def __init__(
        self,
        blocks: dict[int, Block],
        *,
        width: int,
        streams: int,
        heads: int,
        head_width: int,
        sets: int,
        precision: Quantization | None,
    ) -> None:
        self._blocks = blocks
        self._width, self._streams, self._heads, self._head_width = width, streams, heads, head_width
        self._sets = sets
        self._precision = precision
        self._reading = Reading("", "")
        self._sees_any = ""

    @property
    def layers(self) -> frozenset[int]:
        """The decoder layers that have a block before them."""
        return frozenset(self._blocks)

    def prepare(self, graph: Graph) -> None:
        """Declare the media inputs, and work out once who sees what."""
        shape: list[int | str] = [self._sets, "batch", self._streams * self._heads, "media", self._head_width]
        graph.input("visible", BOOL, ["batch", "tokens", self._streams, "media"])
        graph.input("media_keys", FLOAT, shape)
        graph.input("media_values", FLOAT, shape)
        total = graph.node("ReduceSum", graph.node("Cast", "visible", to=FLOAT), keepdims=0)
        self._sees_any = graph.node("Greater", total, graph.number(0.0))
        yes, no = graph.branch("see"), graph.branch("blind")
        bias, wide, sees_any = read_visibility(yes, "visible", self._heads, self._head_width)
        own = yes.node("Expand", sees_any, yes.integers(1, 1, self._width))
        reading = Reading(bias, yes.node("Concat", own, wide, axis=-1))
        yes.output("see_bias", reading.bias, FLOAT, ["b", "h", "s", "m"])
        yes.output("see_sees", reading.sees, FLOAT, ["b", "s", "c"])
        no.output("blind_bias", no.constant(np.zeros((0, 0, 0, 0), np.float32)), FLOAT, ["b", "h", "s", "m"])
        no.output("blind_sees", no.constant(np.zeros((0, 0, 0), np.float32)), FLOAT, ["b", "s", "c"])
        self._reading = Reading(*graph.either(self._sees_any, yes, no, outputs=2))

    def block(
        self, graph: Graph, layer: int, hidden: str, added: str | None, gains: Array, epsilon: float
    ) -> tuple[str, str]:
        """Fuse before a decoder layer.

        Args:
            graph: The decoder.
            layer: Index of the decoder layer.
            hidden: Residual stream, `[batch, tokens, width]`.
            added: What the layer before adds to it; None before the first layer.
            gains: Gains of the layer's attention norm.
            epsilon: Of that norm.

        Returns:
            What the layer's attention reads, and the residual stream with everything added.
        """
        block, name = self._blocks[layer], f"fusion.{layer}"
        yes, no = graph.branch(f"fuse_{layer}"), graph.branch(f"skip_{layer}")
        normed, total = yes.residual_norm(hidden, added, block.norm, f"{name}.norm", TORCH_EPSILON)
        mixed = attend(
            yes,
            total,
            normed,
            block,
            self._reading,
            streams=self._streams,
            heads=self._heads,
            keys=self._set(yes, "media_keys", block.key_value_set),
            values=self._set(yes, "media_values", block.key_value_set),
            name=name,
            precision=self._precision,
        )
        outcomes = [yes.residual_norm(total, mixed, gains, f"layers.{layer}.attention_norm", epsilon)]
        outcomes.append(no.residual_norm(hidden, added, gains, f"layers.{layer}.attention_norm", epsilon))
        for branch, (after, sum_) in zip((yes, no), outcomes, strict=True):
            branch.output(f"{branch.name}_normed", after, FLOAT, ["b", "s", self._width])
            branch.output(f"{branch.name}_hidden", sum_, FLOAT, ["b", "s", self._width])
        fused: tuple[str, str] = tuple(graph.either(self._sees_any, yes, no, outputs=2))
        return fused

    def _set(self, graph: Graph, value: str, index: int) -> str:
        if self._sets == 1:
            squeezed: str = graph.node("Squeeze", value, graph.integers(0))
            return squeezed
        picked: str = graph.node("Gather", value, graph.constant(np.asarray(index, np.int64)), axis=0)
        return picked


def read_visibility(graph: Graph, visible: str, heads: int, head_width: int) -> tuple[str, str, str]:
    """Turn who sees what into numbers.

    Args:
        graph: The graph.
        visible: bool `[batch, tokens, streams, m]`.
        heads: Heads of one stream.
        head_width: Width of a head.

    Returns:
        What is added to the attention's logits, `[batch, streams * heads, tokens, m]`; 1 where a token sees a stream,
        `[batch, tokens, streams * heads * head_width]`; and 1 where it sees any, `[batch, tokens, 1]`.
    """
    by_stream = graph.node("Transpose", visible, perm=[0, 2, 1, 3])
    hidden = graph.node("Where", by_stream, graph.number(0.0), graph.number(_HIDDEN))
    tall = graph.node("Expand", graph.node("Unsqueeze", hidden, graph.integers(2)), graph.integers(1, 1, heads, 1, 1))
    bias = graph.node("Reshape", tall, _merged_heads(graph, visible, heads))
    sees = graph.node("ReduceMax", graph.node("Cast", visible, to=FLOAT), graph.integers(-1), keepdims=0)
    sees_any = graph.node("ReduceMax", sees, graph.integers(-1), keepdims=1)
    one_each = graph.node("Unsqueeze", sees, graph.integers(-1))
    wide = graph.node("Expand", one_each, graph.integers(1, 1, 1, heads * head_width))
    return bias, graph.node("Reshape", wide, graph.integers(0, 0, -1)), sees_any


def _merged_heads(graph: Graph, visible: str, heads: int) -> str:
    """The shape `[batch, streams * heads, tokens, m]`."""
    batch, tokens, streams, media = graph.node("Split", graph.node("Shape", visible), axis=0, num_outputs=4, outputs=4)
    all_heads = graph.node("Mul", streams, graph.integers(heads))
    shape: str = graph.node("Concat", batch, all_heads, tokens, media, axis=0)
    return shape


def attend(
    graph: Graph,
    hidden: str,
    normed: str,
    block: Block,
    reading: Reading,
    *,
    streams: int,
    heads: int,
    keys: str,
    values: str,
    name: str,
    precision: Quantization | None,
) -> str:
    """M_f of hidden states: Concat(M1, M_12, M_13, …) W_f, zero for a token that sees nothing."""
    queries = graph.linear(normed, f"{name}.query", block.query, precision=precision)
    if streams > 1:
        queries = graph.node("Concat", *[queries] * streams, axis=-1)
    attended = graph.node(
        "ms:MultiHeadAttention", queries, keys, values, "", "", reading.bias, num_heads=streams * heads
    )
    pieces = graph.node("Concat", hidden, attended, axis=-1)
    seen = graph.node("Mul", pieces, reading.sees)
    return graph.linear(seen, f"{name}.mix", block.mix, precision=precision)
