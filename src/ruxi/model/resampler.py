"""The Perceiver resampler: any number of feature vectors to a fixed number of tokens.

Jaegle et al., "Perceiver", ICML 2021; Alayrac et al., "Flamingo", NeurIPS 2022, section 2.1: learnt latents attend to
the features and to themselves. Positions are sinusoidal over the index, so that sequences of any length work.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ruxi.model.config import ModalitySettings, ResamplerSettings


class Resampler(nn.Module):
    """Resamples the features of one modality.

    Args:
        modality: Width of its features and the number of tokens wanted.
        settings: Width, depth and heads.
    """

    def __init__(self, modality: ModalitySettings, settings: ResamplerSettings) -> None:
        super().__init__()
        self.input_norm = nn.LayerNorm(modality.width)
        self.input = nn.Linear(modality.width, settings.width)
        self.latents = nn.Parameter(torch.randn(modality.tokens, settings.width) * settings.width**-0.5)
        self.layers = nn.ModuleList(_ResamplerLayer(settings) for _ in range(settings.depth))
        self.output_norm = nn.LayerNorm(settings.width)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Resample some media.

        Args:
            values: Features `[media, n, features]`.
            mask: True where there is a feature, `[media, n]`; each medium needs one at least.

        Returns:
            Tokens `[media, tokens, width]`.
        """
        features = self.input(self.input_norm(values.to(self.input.weight.dtype)))
        features = features + _positions(features)
        latents = self.latents.expand(len(values), -1, -1)
        for layer in self.layers:
            latents = layer(latents, features, mask)
        tokens: Tensor = self.output_norm(latents)
        return tokens


class _ResamplerLayer(nn.Module):
    def __init__(self, settings: ResamplerSettings) -> None:
        super().__init__()
        width = settings.width
        self.heads = settings.heads
        self.latents_norm = nn.LayerNorm(width)
        self.features_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, settings.expansion * width, bias=False),
            nn.GELU(),
            nn.Linear(settings.expansion * width, width, bias=False),
        )

    def forward(self, latents: Tensor, features: Tensor, mask: Tensor) -> Tensor:
        queries = self.latents_norm(latents)
        memory = torch.cat([self.features_norm(features), queries], dim=1)
        # Latents may always attend to one another.
        visible = F.pad(mask, (0, latents.shape[1]), value=True)[:, None, None, :]
        keys, values = self.key_value(memory).chunk(2, dim=-1)
        attended = F.scaled_dot_product_attention(
            self._split(self.query(queries)), self._split(keys), self._split(values), attn_mask=visible
        )
        latents = latents + self.output(attended.transpose(1, 2).flatten(2))
        updated: Tensor = latents + self.feed_forward(latents)
        return updated

    def _split(self, states: Tensor) -> Tensor:
        split: Tensor = states.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return split


def _positions(features: Tensor) -> Tensor:
    """Sinusoids `[n, width]` (Vaswani et al., 2017, section 3.5)."""
    length, width = features.shape[-2:]
    half = width // 2
    rates = torch.exp(torch.arange(half, device=features.device) * (-math.log(10_000.0) / half))
    angles = torch.arange(length, device=features.device)[:, None] * rates
    waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
    return F.pad(waves, (0, width - 2 * half)).to(features.dtype)
