"""GPTQ: rounding column by column, each error made good by the columns that are still to come.

Frantar et al., "GPTQ: Accurate post-training quantization for generative pre-trained transformers", 2023. With the
second moments H of a matrix's inputs, an error in column i is spread over the columns after it by the rows of the upper
Cholesky factor of the inverse of H. A block's scale and zero point are searched when its first column is reached.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[Any]

_DAMPING = 0.02
_SHRINKS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)


def gptq(weight: Array, moments: Array, bits: int, block: int) -> tuple[Array, Array, Array]:
    """Round a matrix.

    Args:
        weight: `[out, in]`; `in` is a multiple of `block`.
        moments: Second moments of its inputs, `[in, in]`.
        bits: Bits of a number.
        block: Numbers that share a scale.

    Returns:
        Numbers uint8 `[out, in]`, scales float32 and zero points uint8 `[out, in / block]`.
    """
    left = torch.from_numpy(weight.astype(np.float32))
    inverse = _inverse_factor(torch.from_numpy(moments))
    importance = inverse.diagonal() ** -2
    width, levels = weight.shape[1], 2**bits - 1
    numbers = torch.zeros_like(left)
    scales, zeros = (torch.zeros(len(left), width // block) for _ in range(2))
    for start in range(0, width, block):
        stop = start + block
        part, factor = left[:, start:stop].clone(), inverse[start:stop, start:stop]
        scale, zero = _searched(part, importance[start:stop], levels)
        errors = torch.zeros_like(part)
        for column in range(block):
            values = part[:, column]
            rounded = (values / scale + zero).round().clamp(0, levels)
            numbers[:, start + column] = rounded
            error = (values - (rounded - zero) * scale) / factor[column, column]
            part[:, column:] -= error[:, None] * factor[column, column:]
            errors[:, column] = error
        left[:, stop:] -= errors @ inverse[start:stop, stop:]
        scales[:, start // block], zeros[:, start // block] = scale, zero
    return numbers.numpy().astype(np.uint8), scales.numpy(), zeros.numpy().astype(np.uint8)


def _inverse_factor(moments: Tensor) -> Tensor:
    """Upper Cholesky factor of the inverse of the damped moments, float32."""
    damped = moments.double()
    damped.diagonal().add_(_DAMPING * damped.diagonal().mean() + 1e-12)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    factor: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return factor.float()


def _searched(part: Tensor, importance: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Scale and zero point of each row of a block, `[out]` each: the range is narrowed where that costs less."""
    low, high = part.amin(1).clamp(max=0), part.amax(1).clamp(min=0)
    best = torch.full_like(low, torch.inf)
    scale, zero = torch.ones_like(low), torch.zeros_like(low)
    for shrink in _SHRINKS:
        tried = ((high - low) * shrink / levels).clamp(min=1e-9)
        offset = (-low * shrink / tried).round().clamp(0, levels)
        rounded = (part / tried[:, None] + offset[:, None]).round().clamp(0, levels)
        cost = (((rounded - offset[:, None]) * tried[:, None] - part) ** 2 * importance).sum(1)
        better = cost < best
        best, scale, zero = (
            torch.where(better, new, old) for new, old in ((cost, best), (tried, scale), (offset, zero))
        )
    return scale, zero
