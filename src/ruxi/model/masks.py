"""Masks and positions of dialogues that are packed into one row."""

from __future__ import annotations

import torch
from torch import Tensor


def packed_positions(segment_ids: Tensor, attention_mask: Tensor | None, branch_ids: Tensor | None = None) -> Tensor:
    """Position of each token within its own dialogue, `[batch, n]`.

    Args:
        segment_ids: Packed dialogue of each token, `[batch, n]`.
        attention_mask: 1 for real tokens, `[batch, n]`; padding does not count.
        branch_ids: 0 in a dialogue's trunk, 1 and more in what may follow it, `[batch, n]`; a branch goes on where
            the trunk ends. None when nothing branches.
    """
    real = torch.ones_like(segment_ids) if attention_mask is None else attention_mask
    running = real.cumsum(dim=1)
    starts = torch.ones_like(segment_ids, dtype=torch.bool)
    starts[:, 1:] = segment_ids[:, 1:] != segment_ids[:, :-1]
    if branch_ids is not None:
        starts[:, 1:] |= branch_ids[:, 1:] != branch_ids[:, :-1]
    before = torch.where(starts, running - real, 0).cummax(dim=1).values
    positions = (running - before - 1).clamp(min=0)
    if branch_ids is None:
        return positions
    trunk = (segment_ids[:, :, None] == segment_ids[:, None, :]) & ((branch_ids == 0) & real.bool())[:, None, :]
    return positions + torch.where(branch_ids > 0, trunk.sum(dim=-1), 0)


def packed_mask(segment_ids: Tensor, attention_mask: Tensor | None, branch_ids: Tensor | None = None) -> Tensor:
    """Causal attention within each packed dialogue: True where a token may attend, `[batch, 1, n, n]`.

    A padding token attends to itself, so that no row of the softmax is empty. Branches see the trunk and themselves.
    """
    length = segment_ids.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segment_ids.device).tril()
    allowed = causal & (segment_ids[:, :, None] == segment_ids[:, None, :])
    if branch_ids is not None:
        allowed &= (branch_ids[:, None, :] == 0) | (branch_ids[:, :, None] == branch_ids[:, None, :])
    if attention_mask is not None:
        allowed = allowed & attention_mask.bool()[:, None, :]
        allowed = allowed | torch.eye(length, dtype=torch.bool, device=segment_ids.device)
    return allowed[:, None]


def added_mask(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """The same for attention that adds a mask to its scores: 0 where a token may attend, else the lowest number."""
    return torch.zeros_like(allowed, dtype=dtype).masked_fill(~allowed, torch.finfo(dtype).min)
