"""A shared space of media and sentences.

The mean of a medium's resampled tokens is projected to where a frozen sentence encoder puts what is said about it, with
a learnt temperature (CLIP: Radford et al., 2021, section 2.3). Training pulls pairs together; retrieval compares them.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ruxi.model.config import AlignmentSettings

_LARGEST_SCALE = math.log(100.0)


class Alignment(nn.Module):
    """One projection a stream.

    Args:
        token_width: Width of the resampled tokens.
        streams: Names of the streams.
        settings: Width of the sentence vectors.
    """

    def __init__(self, token_width: int, streams: tuple[str, ...], settings: AlignmentSettings) -> None:
        super().__init__()
        self.projections = nn.ModuleDict({name: nn.Linear(token_width, settings.width) for name in streams})
        self.log_scale = nn.Parameter(torch.tensor([math.log(1 / 0.07)]))

    def embed(self, stream: str, tokens: Tensor) -> Tensor:
        """Unit vectors `[media, width]` of resampled tokens `[media, tokens, token_width]`."""
        projected: Tensor = self.projections[stream](tokens.mean(dim=1))
        return F.normalize(projected, dim=-1)

    def similarity(self, media: Tensor, sentences: Tensor) -> Tensor:
        """Scaled cosine similarities `[media, sentences]` of unit vectors, as logits."""
        return self.log_scale.clamp(max=_LARGEST_SCALE).exp() * media @ sentences.to(media.dtype).T
