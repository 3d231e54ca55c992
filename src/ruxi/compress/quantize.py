"""Weights in 4 or 8 bits, a scale for every 32 of them: the form that `MatMulNBits` reads.

The rounding is that of ONNX Runtime's tools: round to nearest (`rtn`), symmetric or with a zero point, or the search of
scale and zero point that llama.cpp calls k-quant (`k_quant`), which costs time once and makes the error smaller. Where
it is known what a matrix reads, `gptq` makes the error of its products small instead, see `ruxi.compress.gptq`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Method = Literal["rtn", "rtn_symmetric", "k_quant", "gptq"]


@dataclass(frozen=True)
class Quantization:
    """How a matrix is stored.

    Attributes:
        bits: 4 or 8.
        method: How its numbers are rounded.
        block: Numbers that share a scale.
    """

    bits: Literal[4, 8]
    method: Method = "rtn"
    block: int = 32


@dataclass(frozen=True)
class QuantizedMatrix:
    """A matrix `[out, in]` in blocks along `in`.

    Attributes:
        packed: uint8 `[out, blocks, block * bits / 8]`.
        scales: float32 `[out, blocks]`.
        zero_points: uint8 `[out, blocks * bits / 8]`; None for the middle of the range.
    """

    packed: Array
    scales: Array
    zero_points: Array | None


def quantize(weight: Array, how: Quantization, moments: Array | None = None) -> QuantizedMatrix:
    """Store a matrix in few bits.

    Args:
        weight: float32 `[out, in]`.
        how: Bits and rounding.
        moments: Second moments of what it reads, `[in, in]`; `gptq` searches like `k_quant` without them.
    """
    if how.method == "gptq" and moments is not None and weight.shape[1] % how.block == 0:
        return _calibrated(weight, how, moments)
    if how.method in ("k_quant", "gptq"):
        return _searched(weight, how)
    from onnxruntime.capi._pybind_state import quantize_matmul_4bits, quantize_matmul_8bits

    rows, width = weight.shape
    blocks = -(-width // how.block)
    symmetric = how.method == "rtn_symmetric"
    packed = np.zeros((rows, blocks, how.block * how.bits // 8), dtype=np.uint8)
    scales = np.zeros((rows, blocks), dtype=np.float32)
    zero_points = np.zeros((rows, -(-blocks * how.bits // 8)), dtype=np.uint8)
    transposed = np.zeros((blocks * how.block, rows), dtype=np.float32)
    transposed[:width] = weight.T
    pack = quantize_matmul_4bits if how.bits == 4 else quantize_matmul_8bits
    pack(packed, transposed, scales, zero_points, how.block, rows, width, symmetric)
    return QuantizedMatrix(packed, scales, None if symmetric else zero_points)


def _searched(weight: Array, how: Quantization) -> QuantizedMatrix:
    from onnxruntime.quantization.neural_compressor.weight_only import quant_tensor_k_quant_cpu

    rows, width = weight.shape
    blocks = -(-width // how.block)
    padded = np.zeros((rows, blocks * how.block), dtype=np.float32)
    padded[:, :width] = weight
    numbers, scales, zero_points = quant_tensor_k_quant_cpu(padded, num_bits=how.bits, group_size=how.block)
    return QuantizedMatrix(
        _pack(numbers.astype(np.uint8).reshape(rows, blocks, how.block), how.bits),
        scales.astype(np.float32).reshape(rows, blocks),
        _pack(zero_points.astype(np.uint8).reshape(rows, blocks), how.bits),
    )


def _calibrated(weight: Array, how: Quantization, moments: Array) -> QuantizedMatrix:
    from ruxi.compress.gptq import gptq

    numbers, scales, zero_points = gptq(weight, moments, how.bits, how.block)
    blocks = numbers.reshape(len(numbers), -1, how.block)
    return QuantizedMatrix(_pack(blocks, how.bits), scales, _pack(zero_points, how.bits))


def _pack(numbers: Array, bits: int) -> Array:
    """Two numbers of 4 bits in a byte, the first in its lower half."""
    if bits == 8:
        return numbers
    if numbers.shape[-1] % 2:
        numbers = np.concatenate([numbers, np.zeros_like(numbers[..., :1])], axis=-1)
    packed: Array = numbers[..., 0::2] | (numbers[..., 1::2] << 4)
    return packed
