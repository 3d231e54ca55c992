"""Prefix fusion, the baseline: media tokens stand in the sequence, before the text of their turn.

The tokens of a turn's media are inserted right before the first text token of that turn, so causal attention alone
keeps turns from seeing later media.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ruxi.model.streams import Streams


@dataclass(frozen=True)
class PrefixedSequence:
    """A sequence with its media in place.

    Attributes:
        embeddings: `[batch, n + media, d]`.
        attention_mask: 1 for real tokens, `[batch, n + media]`.
        segment_ids: Packed dialogue of each position, `[batch, n + media]`.
        text_positions: Where the text tokens went, `[batch, n]`.
    """

    embeddings: Tensor
    attention_mask: Tensor
    segment_ids: Tensor
    text_positions: Tensor


def insert_media(
    text: Tensor,
    attention_mask: Tensor,
    turn_ids: Tensor,
    segment_ids: Tensor,
    streams: Streams,
    media: dict[str, Tensor],
) -> PrefixedSequence:
    """Put media tokens before the text of their turn.

    Args:
        text: Input embeddings `[batch, n, d]`.
        attention_mask: 1 for real tokens, `[batch, n]`.
        turn_ids: Turn of each token, `[batch, n]`.
        segment_ids: Packed dialogue of each token, `[batch, n]`.
        streams: Where the media belong.
        media: Their tokens projected to the width of the text, `[batch, m, d]` by stream.
    """
    length = text.shape[1]
    before = torch.arange(length, device=text.device).expand(text.shape[:2])
    keys, states, masks, segments = [], [], [], []
    for name, stream in streams.items():
        may_see = (turn_ids[:, :, None] >= stream.turn_ids[:, None, :]) & attention_mask.bool()[:, :, None]
        may_see &= segment_ids[:, :, None] == stream.segment_ids[:, None, :]
        # Position of the first text token that may see the medium; the end of the text if there is none.
        first = torch.where(may_see, before[:, :, None], length).amin(dim=1)
        keys.append(2 * first)
        states.append(media[name].to(text.dtype))
        masks.append((stream.valid & (first < length)).to(attention_mask.dtype))
        segments.append(stream.segment_ids)
    order = torch.cat([*keys, 2 * before + 1], dim=1).argsort(dim=1, stable=True)
    arrived = order.argsort(dim=1)
    combined = torch.cat([*states, text], dim=1)
    return PrefixedSequence(
        embeddings=combined.gather(1, order[..., None].expand_as(combined)),
        attention_mask=torch.cat([*masks, attention_mask], dim=1).gather(1, order),
        segment_ids=torch.cat([*segments, segment_ids], dim=1).gather(1, order),
        text_positions=arrived[:, -length:],
    )
