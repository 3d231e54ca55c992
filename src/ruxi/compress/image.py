"""EfficientNet-Lite0 as a graph, with its batch norms folded into the convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from ruxi.compress.graph import FLOAT, Graph
from ruxi.compress.media import dense
from ruxi.features import efficientnet
from ruxi.features.efficientnet_network import EfficientNetLite0, SameConv2d

_SIZE, _CHANNELS, _GRID, _CLASSES = 224, 1280, 49, 1000


def build_image(graph: Graph, network: EfficientNetLite0 | None = None) -> None:
    """Write the encoder into an empty graph.

    Args:
        graph: The graph.
        network: The network; by default the pinned one.

    Raises:
        WeightsError: Its weights are not installed.
    """
    network = network or efficientnet.load_network()
    hidden = graph.input("pixels", FLOAT, ["pictures", 3, _SIZE, _SIZE])
    parts: dict[str, Any] = dict(network.named_children())
    hidden = _convolved(graph, hidden, parts["_conv_stem"], parts["_bn0"], "stem", bounded=True)
    for index, block in enumerate(parts["_blocks"]):
        hidden = _block(graph, hidden, block, f"blocks.{index}")
    grid = _convolved(graph, hidden, parts["_conv_head"], parts["_bn1"], "head", bounded=True)
    flat = graph.node("Reshape", grid, graph.integers(0, _CHANNELS, _GRID))
    features = graph.node("Transpose", flat, perm=[0, 2, 1])
    graph.output("features", features, FLOAT, ["pictures", _GRID, _CHANNELS])
    mean = graph.node("ReduceMean", flat, graph.integers(2), keepdims=0)
    logits = dense(graph, mean, parts["_fc"], "classes")
    graph.output("probabilities", graph.node("Softmax", logits, axis=-1), FLOAT, ["pictures", _CLASSES])


def _block(graph: Graph, hidden: str, block: nn.Module, name: str) -> str:
    parts: dict[str, Any] = dict(block.named_children())
    wide = hidden
    if "_expand_conv" in parts:
        wide = _convolved(graph, wide, parts["_expand_conv"], parts["_bn0"], f"{name}.expand", bounded=True)
    wide = _convolved(graph, wide, parts["_depthwise_conv"], parts["_bn1"], f"{name}.depthwise", bounded=True)
    narrow = _convolved(graph, wide, parts["_project_conv"], parts["_bn2"], f"{name}.project", bounded=False)
    return str(graph.node("Add", narrow, hidden)) if block._skips else narrow


def _convolved(graph: Graph, x: str, convolution: SameConv2d, norm: nn.BatchNorm2d, name: str, *, bounded: bool) -> str:
    """Convolution, batch norm and, if `bounded`, ReLU6."""
    mean, variance = _numbers(norm.running_mean), _numbers(norm.running_var)
    gain = _numbers(norm.weight) / np.sqrt(variance + norm.eps)
    weight = _numbers(convolution.weight) * gain[:, None, None, None]
    bias = _numbers(norm.bias) - mean * gain
    left, right, top, bottom = convolution._pad
    convolved = graph.node(
        "Conv",
        x,
        graph.constant(weight.astype(np.float32), f"{name}.weight"),
        graph.constant(bias.astype(np.float32), f"{name}.bias"),
        strides=list(convolution.stride),
        group=convolution.groups,
        pads=[top, left, bottom, right],
    )
    return str(graph.node("Clip", convolved, graph.number(0.0), graph.number(6.0)) if bounded else convolved)


def _numbers(tensor: Any) -> Any:
    """In double precision, so that folding rounds once."""
    return tensor.detach().double().numpy()
