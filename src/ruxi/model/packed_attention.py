"""Causal self-attention over dialogues that are packed into rows, for training on CPUs.

PyTorch's kernel for CPUs works through the whole square of a masked row. Here each dialogue attends to itself alone,
a block of queries at a time and only to the keys before the block's end, as matrix products that oneDNN runs at full
speed in bfloat16. Query heads that share a key head are one product. Replies of which one is to be chosen branch off
from the same trunk: each attends to the trunk and to itself, and the trunk is computed once. On other devices, and
where the base model wants more than plain causal attention (a cache, a sliding window, soft-capping), PyTorch's own
attention runs as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

PACKED_ATTENTION = "ruxi_packed"
"""Its name among transformers' attention implementations."""


class Span(NamedTuple):
    """One packed dialogue, or a branch of it.

    Attributes:
        row: Row of the batch.
        start: First position.
        stop: Position after the last.
        trunk: Start and stop of what it branches off from; empty for a dialogue and for a trunk itself.
    """

    row: int
    start: int
    stop: int
    trunk: tuple[int, int] = (0, 0)

    def of(self, states: Tensor) -> Tensor:
        """What the span attends to, of states `[batch, heads, n, width]`: its trunk and itself, `[heads, m, width]`."""
        own = states[self.row, :, self.start : self.stop]
        if not self.shared:
            return own.contiguous()
        return torch.cat([states[self.row, :, slice(*self.trunk)], own], dim=1)

    def add_to(self, states: Tensor, addend: Tensor) -> None:
        """Add `[heads, m, width]` to the first m positions that the span attends to."""
        shared = self.shared
        if shared:
            states[self.row, :, slice(*self.trunk)] += addend[:, :shared]
        states[self.row, :, self.start : self.start + addend.shape[1] - shared] += addend[:, shared:]

    @property
    def shared(self) -> int:
        """Tokens of the trunk."""
        return self.trunk[1] - self.trunk[0]


_BLOCK = 128
"""Queries at a time: the scores of a block stay in the cache of the processor."""


def spans_of(segment_ids: Tensor, attention_mask: Tensor | None, branch_ids: Tensor | None = None) -> list[Span] | None:
    """Where the packed dialogues lie, and their branches; None when padding stands within one.

    Args:
        segment_ids: Packed dialogue of each token, `[batch, n]`.
        attention_mask: 1 for real tokens, `[batch, n]`; padding stands in no span.
        branch_ids: See `ruxi.model.masks.packed_positions`.
    """
    branches = torch.zeros_like(segment_ids) if branch_ids is None else branch_ids
    changes = torch.ones_like(segment_ids, dtype=torch.bool)
    real = torch.ones_like(changes) if attention_mask is None else attention_mask.bool()
    changes[:, 1:] = False
    for ids in (segment_ids, branches, real):
        changes[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    starts = changes.nonzero().tolist()
    length = segment_ids.shape[1]
    found: dict[tuple[int, int, int], Span] = {}
    begun = [ids[changes].tolist() for ids in (segment_ids, branches, real)]
    for (row, start), (next_row, next_start), segment, branch, is_real in zip(
        starts, [*starts[1:], [-1, -1]], *begun, strict=True
    ):
        if not is_real:
            continue
        if (row, segment, branch) in found:
            return None
        trunk = found.get((row, segment, 0)) if branch else None
        stop = next_start if next_row == row else length
        found[row, segment, branch] = Span(row, start, stop, (trunk.start, trunk.stop) if trunk else (0, 0))
    return list(found.values())


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
        for span in spans:
            row, start, shared = span.row, span.start, span.shared
            keys, values = span.of(key), span.of(value)
            for at, end in _blocks(span.stop - start):
                queries = _grouped(query[row, :, start + at : start + end], len(keys)) * scale
                scores = torch.bmm(queries, keys[:, : shared + end].transpose(1, 2))
                here = scores.unflatten(1, (-1, end - at))[..., shared + at :]
                here += future[: end - at, : end - at]
                weights = torch.softmax(scores, dim=-1)
                attended = torch.bmm(weights, values[:, : shared + end])
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
        for span in context.spans:
            row, start, shared = span.row, span.start, span.shared
            keys, values = span.of(key), span.of(value)
            for at, end in _blocks(span.stop - start):
                weights = next(remaining)
                queries = _grouped(query[row, :, start + at : start + end], len(keys))
                above = _grouped(slope[row, :, start + at : start + end], len(keys))
                span.add_to(value_slope, torch.bmm(weights.transpose(1, 2), above))
                scores_slope = torch._softmax_backward_data(
                    torch.bmm(above, values[:, : shared + end].transpose(1, 2)), weights, -1, weights.dtype
                )
                back = torch.bmm(scores_slope, keys[:, : shared + end])
                query_slope[row, :, start + at : start + end] = back.reshape(query.shape[1], end - at, -1)
                span.add_to(key_slope, torch.bmm(scores_slope.transpose(1, 2), queries))
        scale = context.scale
        return query_slope.mul_(scale), key_slope.mul_(scale).to(key.dtype), value_slope.to(value.dtype), None, None


def _blocks(length: int) -> list[tuple[int, int]]:
    return [(at, min(at + _BLOCK, length)) for at in range(0, length, _BLOCK)]


def _grouped(states: Tensor, key_heads: int) -> Tensor:
    """Heads that share a key head, one below the other: `[key_heads, heads / key_heads * n, width]`."""
    return states.reshape(key_heads, -1, states.shape[-1])


AttentionInterface.register(PACKED_ATTENTION, packed_attention)
AttentionMaskInterface.register(PACKED_ATTENTION, sdpa_mask)
