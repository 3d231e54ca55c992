"""Fusion by cross-attention: text queries, media keys and values.

With the hidden states M1 `[n, d]` before a decoder layer and the tokens M_k `[m_k, d_k]` of each stream k:

    CrossAttention(Q, K, V) = softmax(Q K^T / sqrt(d_h)) V, multi-head; Q from RMSNorm(M1), K and V from M_k
    M_1k = CrossAttention(M1, M_k)
    M_f  = Concat(M1, M_12, M_13, ...) W_f
    H    = M1 + tanh(g) M_f,  g starts at 0

(attention: Vaswani et al., 2017; tanh gate: Flamingo, Alayrac et al., 2022.) The output projection of multi-head
attention is part of W_f. A stream that a token cannot see contributes zeros, and a token that sees no stream at all is
left exactly as it was: without media the model is its base model, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ruxi.errors import ModelError
from ruxi.model.config import FusionSettings
from ruxi.model.streams import Streams

TEXT = "text"
"""Name of the part of the fusion that does not belong to any one stream."""


def cross_attention(
    queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor, *, weights: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Multi-head attention in which a query that sees nothing gets zeros.

    Args:
        queries: `[batch, heads, n, head_width]`.
        keys: `[batch, heads, m, head_width]`.
        values: `[batch, heads, m, head_width]`.
        visible: True where a query may attend to a key, `[batch, n, m]`.
        weights: Whether the attention weights are returned as well; slower.

    Returns:
        The attended values `[batch, n, heads * head_width]`, and the weights `[batch, heads, n, m]` or None.
    """
    sees_any = visible.any(dim=-1)
    # A row without any key would be a softmax over nothing; let it see everything and erase the result.
    mask = (visible | ~sees_any[..., None])[:, None]
    probabilities = None
    if weights:
        scores = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5
        probabilities = scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)
        probabilities = probabilities * sees_any[:, None, :, None]
        attended = probabilities @ values
    else:
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    attended = attended.transpose(1, 2).flatten(2)
    return attended.masked_fill(~sees_any[..., None], 0.0), probabilities


@dataclass
class FusionContext:
    """What the fusion blocks of one forward pass read and, when asked, write.

    Attributes:
        streams: The media of the batch.
        visible: Per stream, which of its tokens each text token may attend to, `[batch, n, m]`.
        keep_weights: Whether attention weights are kept.
        weights: Kept weights by decoder layer and stream, `[batch, heads, n, m]`.
    """

    streams: Streams
    visible: dict[str, Tensor]
    keep_weights: bool = False
    weights: dict[int, dict[str, Tensor]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, streams: Streams, turn_ids: Tensor, segment_ids: Tensor, *, keep_weights: bool = False
    ) -> FusionContext:
        """Work out who sees what, once for all layers."""
        visible = {name: stream.visible(turn_ids, segment_ids) for name, stream in streams.items()}
        return cls(streams, visible, keep_weights)

    @property
    def sees_any(self) -> Tensor:
        """Text tokens that see any stream, `[batch, n]`."""
        return torch.stack([v.any(dim=-1) for v in self.visible.values()]).any(dim=0)


class FusedStates(nn.Module):
    """M_f: what the text states become together with what they attend to.

    Args:
        width: Width d of the hidden states.
        streams: Names of the streams, in the order of the concatenation.
        settings: Heads and their width.
        own_query: False when the query projection is shared with others and given at each call.
        key_value_set: Which set of a stream's keys and values belongs here.
    """

    def __init__(
        self,
        width: int,
        streams: tuple[str, ...],
        settings: FusionSettings,
        *,
        own_query: bool = True,
        key_value_set: int = 0,
    ) -> None:
        super().__init__()
        self.streams = streams
        self.heads = settings.heads
        self.key_value_set = key_value_set
        attended = settings.heads * settings.head_width
        self.norm = nn.RMSNorm(width)
        self.query = nn.Linear(width, attended, bias=False) if own_query else None
        self.mix = nn.Linear(width + len(streams) * attended, width, bias=False)

    def columns_of(self, part: str) -> slice:
        """The columns of W_f that multiply what is attended to in a stream, or M1 (`text`)."""
        width = self.mix.out_features
        if part == TEXT:
            return slice(width)
        attended = (self.mix.in_features - width) // len(self.streams)
        first = width + self.streams.index(part) * attended
        return slice(first, first + attended)

    def fuse(
        self,
        hidden: Tensor,
        context: FusionContext,
        *,
        shared_query: nn.Module | None = None,
        kept: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """M_f of hidden states `[batch, n, d]`; attention weights go to `kept`, by stream."""
        project = self.query if shared_query is None else shared_query
        if project is None:
            raise ModelError("a block without a query projection of its own needs the shared one", where="fusion")
        queries = project(self.norm(hidden)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        pieces = [hidden]
        for name in self.streams:
            stream = context.streams.get(name)
            if stream is None:
                pieces.append(hidden.new_zeros(*hidden.shape[:-1], queries.shape[1] * queries.shape[-1]))
                continue
            keys, values = (states[self.key_value_set].to(queries.dtype) for states in (stream.keys, stream.values))
            attended, weights = cross_attention(queries, keys, values, context.visible[name], weights=kept is not None)
            pieces.append(attended)
            if kept is not None and weights is not None:
                kept[name] = weights
        fused: Tensor = self.mix(torch.cat(pieces, dim=-1))
        return fused


class FusionBlock(FusedStates):
    """One gated fusion before one decoder layer, see the module's formulas and `FusedStates`."""

    def __init__(
        self,
        width: int,
        streams: tuple[str, ...],
        settings: FusionSettings,
        *,
        own_query: bool = True,
        key_value_set: int = 0,
    ) -> None:
        super().__init__(width, streams, settings, own_query=own_query, key_value_set=key_value_set)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(
        self,
        hidden: Tensor,
        context: FusionContext,
        *,
        shared_query: nn.Module | None = None,
        kept: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """H of hidden states `[batch, n, d]`."""
        fused = self.fuse(hidden, context, shared_query=shared_query, kept=kept)
        gated = torch.tanh(self.gate) * fused.masked_fill(~context.sees_any[..., None], 0.0)
        return hidden + gated.to(hidden.dtype)


class KeyValueProjection(nn.Module):
    """Keys and values of one stream, for one or several fusion blocks.

    Args:
        width: Width of the stream's tokens.
        settings: Heads, their width, and whether the blocks share one set.
        blocks: Number of fusion blocks.
    """

    def __init__(self, width: int, settings: FusionSettings, blocks: int) -> None:
        super().__init__()
        self.heads = settings.heads
        self.sets = 1 if settings.share_projections else blocks
        self.projection = nn.Linear(width, self.sets * 2 * settings.heads * settings.head_width, bias=False)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values `[sets, batch, heads, m, head_width]` of tokens `[batch, m, width]`."""
        projected = self.projection(tokens).unflatten(-1, (self.sets, 2, self.heads, -1))
        keys, values = projected.permute(3, 2, 0, 4, 1, 5)
        return keys, values


class Fusion(nn.Module):
    """All fusion blocks of a model with the projections of their streams.

    Args:
        width: Width d of the hidden states.
        token_width: Width of the streams' tokens.
        streams: Names of the streams.
        layers: Indices of the decoder layers that have a block before them.
        settings: See `FusionSettings`.
    """

    def __init__(
        self,
        width: int,
        token_width: int,
        streams: tuple[str, ...],
        layers: tuple[int, ...],
        settings: FusionSettings,
    ) -> None:
        super().__init__()
        share = settings.share_projections
        self.query = nn.Linear(width, settings.heads * settings.head_width, bias=False) if share and layers else None
        self.blocks = nn.ModuleDict(
            {
                str(layer): FusionBlock(
                    width, streams, settings, own_query=not share, key_value_set=0 if share else index
                )
                for index, layer in enumerate(layers)
            }
        )
        self.key_value = nn.ModuleDict(
            {name: KeyValueProjection(token_width, settings, max(len(layers), 1)) for name in streams}
        )

    def forward(self, hidden: Tensor, context: FusionContext, layer: int) -> Tensor:
        """H before one decoder layer, of hidden states `[batch, n, d]`."""
        kept = context.weights.setdefault(layer, {}) if context.keep_weights else None
        fused: Tensor = self.blocks[str(layer)](hidden, context, shared_query=self.query, kept=kept)
        return fused

    def weights_of(self, part: str) -> Iterator[tuple[str, slice]]:
        """Names of the parameters of one part of the fusion, and which of their columns belong to it.

        Args:
            part: A stream, whose keys, values and columns of W_f matter only to text that sees it; or `text` for what
                all streams share: queries, norms, gates and the columns of M1.
        """
        for name, _ in self.named_parameters():
            group, key, *_ = name.split(".")
            if name.endswith("mix.weight"):
                yield name, self.blocks[key].columns_of(part)  # type: ignore[operator]
            elif part == (key if group == "key_value" else TEXT):
                yield name, slice(None)

    def gates(self) -> dict[int, float]:
        """tanh(g) of each block, by decoder layer."""
        return {
            int(name.split(".")[0]): float(g.detach().tanh())
            for name, g in self.blocks.named_parameters()
            if name.endswith("gate")
        }
