"""Calibrated rounding makes the error of products small, and is stored as the graph reads it."""

from __future__ import annotations

import numpy as np
import onnxruntime

from ruxi.compress.graph import FLOAT, Graph
from ruxi.compress.quantize import Quantization


def _product(tmp_path, weight, inputs, how, moments=None):
    graph = Graph("product")
    graph.input("x", FLOAT, ["n", weight.shape[1]])
    graph.output("y", graph.linear("x", "matrix", weight, precision=how, moments=moments), FLOAT, ["n", len(weight)])
    graph.save(tmp_path / "product.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "product.onnx"), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": inputs})[0]


def test_products_of_correlated_inputs_lose_less(tmp_path):
    draw = np.random.default_rng(1)
    mixing = draw.standard_normal((64, 64)) * np.geomspace(3, 0.05, 64)
    inputs = (draw.standard_normal((400, 64)) @ mixing.T).astype(np.float32)
    weight = draw.standard_normal((48, 64)).astype(np.float32)
    exact, lost = inputs @ weight.T, {}
    for method in ("rtn", "k_quant", "gptq"):
        found = _product(tmp_path, weight, inputs, Quantization(4, method), (inputs.T @ inputs).astype(np.float64))
        lost[method] = float(np.mean((found - exact) ** 2) / np.mean(exact**2))
    assert max(lost["k_quant"], lost["rtn"]) < 0.02
    assert lost["gptq"] < 0.5 * min(lost["k_quant"], lost["rtn"])


def test_what_a_grid_can_hold_is_kept_exactly(tmp_path):
    """Weights that are whole multiples of a block's scale come through as they are, with and without zero points."""
    draw = np.random.default_rng(2)
    numbers = draw.integers(0, 16, (8, 2, 32))
    numbers[:, :, 0], numbers[:, :, 1] = 0, 15
    weight = ((numbers - 5) * 0.25).reshape(8, 64).astype(np.float32)
    inputs = np.eye(64, dtype=np.float32)
    for method in ("rtn", "k_quant"):
        found = _product(tmp_path, weight, inputs, Quantization(4, method))
        np.testing.assert_allclose(found.T, weight, atol=0.02)


def test_moments_are_those_of_what_each_matrix_reads():
    import torch

    from ruxi.compress.calibration import second_moments
    from tests.compress.conftest import tiny_engine

    engine = tiny_engine()
    widths = []
    engine.model.language_model.get_decoder().norm.register_forward_hook(lambda m, i, states: widths.append(states[0]))
    moments = second_moments(engine.model, engine.tokenizer)
    assert len(moments) == 4 * 4 + 1
    states = torch.cat(widths).double()
    np.testing.assert_allclose(moments["head"], (states.T @ states).numpy(), rtol=1e-3, atol=1e-2)
    assert moments["layers.3.down"].shape == (64, 64)
    again = second_moments(engine.model, engine.tokenizer)
    np.testing.assert_allclose(again["head"], moments["head"])
