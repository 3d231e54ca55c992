"""Guidance: perceive the user's intent and emotion, and tell the reply what to make of them.

The heads read the fused states at the end of the user's turn: M_f of the last hidden states, with every medium that
the user has shown. A face and a voice also speak for themselves: the mean of a medium's features has an emotion head of
its own, whose logits are added for the media of that very turn (late fusion, a product of experts; Hinton, Neural
Computation 2002):

    emotion logits = W_e LayerNorm(M_f) + sum over media m of the turn: W_k LayerNorm(mean of m's features)

What the heads find, the persona, and the emotion that the reply should carry become a handful of guidance tokens, one
more K/V stream, visible to the tokens of that reply alone. In training the tokens carry the labels of the data (teacher
forcing); on stage, what the heads perceive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ruxi.model.config import FusionSettings, GuidanceSettings, ModalitySettings
from ruxi.model.fusion import FusedStates, FusionContext

_GAIN_BY_WIDTH = 4096.0


@dataclass(frozen=True)
class Perception:
    """What the heads find at the ends of some turns.

    Attributes:
        emotion_logits: `[turns, emotions]`.
        intent_logits: `[turns, intents]`.
    """

    emotion_logits: Tensor
    intent_logits: Tensor


@dataclass(frozen=True)
class GuidanceInputs:
    """What the guidance tokens of some replies are made of.

    Unknown emotions and intents are rows of zeros.

    Attributes:
        persona: Mean input embedding of the persona's tokens, `[replies, d]`.
        user_emotion: Probabilities, `[replies, emotions]`.
        user_intent: Probabilities, `[replies, intents]`.
        reply_emotion: The emotion wanted, one-hot or probabilities, `[replies, emotions]`.
        row: Row of the batch, `[replies]`.
        turn: Index of the reply's turn, `[replies]`.
        segment: Packed dialogue, `[replies]`; None: not packed.
    """

    persona: Tensor
    user_emotion: Tensor
    user_intent: Tensor
    reply_emotion: Tensor
    row: Tensor
    turn: Tensor
    segment: Tensor | None = None


class MediaHead(nn.Module):
    """The emotion that a medium shows by itself; before training it shows none.

    Args:
        width: Length of a feature vector.
        emotions: Number of emotions.
        dropout: Dropout on what it reads, while training.
    """

    def __init__(self, width: int, emotions: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, emotions)
        # Means of features have much in common and differ by little, so that little is made large from the start; with
        # this gain a step of Adam moves the logits of narrow and of wide features alike.
        nn.init.constant_(self.norm.weight, _GAIN_BY_WIDTH / width)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Emotion logits `[media, emotions]` of features `[media, n, width]`; see `Resampler.forward`."""
        weights = mask[..., None].to(self.head.weight.dtype)
        mean = (values.to(weights.dtype) * weights).sum(1) / weights.sum(1)
        logits: Tensor = self.head(self.dropout(self.norm(mean)))
        return logits


class Guidance(nn.Module):
    """Intent and emotion heads with the guidance tokens.

    Args:
        width: Width d of the hidden states.
        token_width: Width of the streams' tokens.
        modalities: The streams of media that the heads read, by name.
        settings: Label sets.
        fusion: Heads of the attention that reads the media.
    """

    def __init__(
        self,
        width: int,
        token_width: int,
        modalities: Mapping[str, ModalitySettings],
        settings: GuidanceSettings,
        fusion: FusionSettings,
    ) -> None:
        super().__init__()
        emotions, intents = len(settings.emotions), len(settings.intents)
        self.fused = FusedStates(width, tuple(modalities), fusion)
        self.head_norm = nn.LayerNorm(width)
        self.head_dropout = nn.Dropout(settings.dropout)
        self.emotion_head = nn.Linear(width, emotions)
        self.intent_head = nn.Linear(width, intents)
        self.media_heads = nn.ModuleDict(
            {name: MediaHead(m.width, emotions, settings.media_dropout) for name, m in modalities.items()}
        )
        self.persona = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, token_width))
        self.user_emotion = nn.Linear(emotions, token_width)
        self.user_intent = nn.Linear(intents, token_width)
        self.reply_emotion = nn.Linear(emotions, token_width)
        self.norm = nn.LayerNorm(token_width)

    def perceive(self, hidden: Tensor, context: FusionContext, shown: Tensor) -> Perception:
        """Read intent and emotion.

        Args:
            hidden: Last hidden states at the ends of turns, `[turns, 1, d]`.
            context: What each of them may see, with `turns` rows.
            shown: Emotion logits of the media of each turn, added up, `[turns, emotions]`.
        """
        states = self.head_dropout(self.head_norm(self.fused.fuse(hidden, context)[:, 0]))
        return Perception(self.emotion_head(states) + shown, self.intent_head(states))

    def forward(self, inputs: GuidanceInputs) -> Tensor:
        """Guidance tokens `[replies, 4, token_width]`: persona, user's emotion, user's intent, reply's emotion."""
        dtype = self.user_emotion.weight.dtype
        tokens = torch.stack(
            [
                self.persona(inputs.persona.to(dtype)),
                self.user_emotion(inputs.user_emotion.to(dtype)),
                self.user_intent(inputs.user_intent.to(dtype)),
                self.reply_emotion(inputs.reply_emotion.to(dtype)),
            ],
            dim=1,
        )
        normed: Tensor = self.norm(tokens)
        return normed
