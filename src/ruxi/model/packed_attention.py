"""Causal self-attention over dialogues that are packed into rows, for training on CPUs.

PyTorch's kernel for CPUs works through the whole square of a masked row. Here each dialogue attends to itself alone,
a block of queries at a time and only to the keys before the block's end, as matrix products that oneDNN runs at full
speed in bfloat16. Query heads that share a key head are one product. On other devices, and where the base model wants
more than plain causal attention (a cache, a sliding window, soft-capping), PyTorch's own attention runs as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

PACKED_ATTENTION = "ruxi_packed"
"""Its name among transformers' attention implementations."""

Span = tuple[int, int, int]
"""Row of the batch, first position, position after the last: one packed dialogue."""

_BLOCK = 128
"""Queries at a time: the scores of a block stay in the cache of the processor."""


def spans_of(segment_ids: Tensor, attention_mask: Tensor | None) -> list[Span] | None:
    """Where the packed dialogues lie; None when padding stands within one.

    Args:
        segment_ids: Packed dialogue of each token, `[batch, n]`.
        attention_mask: 1 for real tokens, `[batch, n]`; padding stands in no span.
    """
    changes = torch.ones_like(segment_ids, dtype=torch.bool)
    real = torch.ones_like(changes) if attention_mask is None else attention_mask.bool()
    changes[:, 1:] = (segment_ids[:, 1:] != segment_ids[:, :-1]) | (real[:, 1:] != real[:, :-1])
    starts = changes.nonzero().tolist()
    length = segment_ids.shape[1]
    spans = []
    seen = set()
    segments = segment_ids.tolist()
    for (row, start), (next_row, next_start) in zip(starts, [*starts[1:], [-1, -1]], strict=True):
        if not real[row, start]:
            continue
        spans.append((row, start, next_start if next_row == row else length))
        seen.add((row, segments[row][start]))
    return spans if len(seen) == len(spans) else None


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    packed_spans: Sequence[Span] | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """An attention implementation as transformers calls it.

    Args:
        module: The attention layer.
        query: `[batch, heads, n, head_width]`.
        key: `[batch, key_heads, n, head_width]`.
        value: `[batch, key_heads, n, head_width]`.
        attention_mask: Read by PyTorch's attention alone; the spans say the same.
        scaling: Factor of the scores.
        dropout: Of attention weights; PyTorch's attention does it.
        packed_spans: See `spans_of`.
        options: Passed on to PyTorch's attention.

    Returns:
        `[batch, n, heads, head_width]`, zeros at padding, and None for the weights.
    """
    unusual = any(options.get(name) is not None for name in ("sliding_window", "softcap", "position_bias", "s_aux"))
    if packed_spans is None or query.device.type != "cpu" or dropout or unusual or query.shape[2] != key.shape[2]:
        attended, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **options
        )
        return attended, None
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    out: Tensor = _PackedAttention.apply(query.to(value.dtype), key.to(value.dtype), value, packed_spans, scale)
    return out, None


class _PackedAttention(torch.autograd.Function):
    """Softmax attention with the weights of all blocks kept for the way back."""

    @staticmethod
    def forward(context: Any, query: Tensor, key: Tensor, value: Tensor, spans: Sequence[Span], scale: float) -> Tensor:
        batch, heads, length, _ = query.shape
        out = query.new_zeros(batch, length, heads, value.shape[-1])
        future = torch.full((_BLOCK, _BLOCK), float("-inf"), dtype=query.dtype).triu_(1)
        kept = []
        for row, start, stop in spans:
            keys, values = key[row, :, start:stop].contiguous(), value[row, :, start:stop].contiguous()
            for at, end in _blocks(stop - start):
                queries = _grouped(query[row, :, start + at : start + end], len(keys)) * scale
                scores = torch.bmm(queries, keys[:, :end].transpose(1, 2))
                here = scores.unflatten(1, (-1, end - at))[..., at:]
                here += future[: end - at, : end - at]
                weights = torch.softmax(scores, dim=-1)
                attended = torch.bmm(weights, values[:, :end])
                out[row, start + at : start + end] = attended.reshape(heads, end - at, -1).transpose(0, 1)
                kept.append(weights)
        context.save_for_backward(query, key, value, *kept)
        context.spans, context.scale = spans, scale
        return out

    @staticmethod
    def backward(context: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *kept = context.saved_tensors
        slope = upstream[0].transpose(1, 2)
        query_slope = torch.zeros_like(query)
        # Blocks add up in float32; bfloat16 would lose the small ones.
        key_slope = torch.zeros(key.shape, dtype=torch.float32)
        value_slope = torch.zeros(value.shape, dtype=torch.float32)
        remaining = iter(kept)
        for row, start, stop in context.spans:
            keys, values = key[row, :, start:stop].contiguous(), value[row, :, start:stop].contiguous()
            for at, end in _blocks(stop - start):
                weights = next(remaining)
                queries = _grouped(query[row, :, start + at : start + end], len(keys))
                above = _grouped(slope[row, :, start + at : start + end], len(keys))
                value_slope[row, :, start : start + end] += torch.bmm(weights.transpose(1, 2), above)
                scores_slope = torch._softmax_backward_data(
                    torch.bmm(above, values[:, :end].transpose(1, 2)), weights, -1, weights.dtype
                )
                back = torch.bmm(scores_slope, keys[:, :end])
                query_slope[row, :, start + at : start + end] = back.reshape(query.shape[1], end - at, -1)
                key_slope[row, :, start : start + end] += torch.bmm(scores_slope.transpose(1, 2), queries)
        scale = context.scale
        return query_slope.mul_(scale), key_slope.mul_(scale).to(key.dtype), value_slope.to(value.dtype), None, None


def _blocks(length: int) -> list[tuple[int, int]]:
    return [(at, min(at + _BLOCK, length)) for at in range(0, length, _BLOCK)]


def _grouped(states: Tensor, key_heads: int) -> Tensor:
    """Heads that share a key head, one below the other: `[key_heads, heads / key_heads * n, width]`."""
    return states.reshape(key_heads, -1, states.shape[-1])


AttentionInterface.register(PACKED_ATTENTION, packed_attention)
AttentionMaskInterface.register(PACKED_ATTENTION, sdpa_mask)
