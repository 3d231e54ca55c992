"""Guidance: perceive the user's intent and emotion, and tell the reply what to make of them.

The heads read the fused states at the end of the user's turn: M_f of the last hidden states, with every medium that
the user has shown. What they find, the persona, and the emotion that the reply should carry become a handful of
guidance tokens, one more K/V stream, visible to the tokens of that reply alone. In training the tokens carry the
labels of the data (teacher forcing); on stage, what the heads perceive.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ruxi.model.config import FusionSettings, GuidanceSettings
from ruxi.model.fusion import FusedStates, FusionContext


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


class Guidance(nn.Module):
    """Intent and emotion heads with the guidance tokens.

    Args:
        width: Width d of the hidden states.
        token_width: Width of the streams' tokens.
        media_streams: Names of the streams that the heads read.
        settings: Label sets.
        fusion: Heads of the attention that reads the media.
    """

    def __init__(
        self,
        width: int,
        token_width: int,
        media_streams: tuple[str, ...],
        settings: GuidanceSettings,
        fusion: FusionSettings,
    ) -> None:
        super().__init__()
        emotions, intents = len(settings.emotions), len(settings.intents)
        self.fused = FusedStates(width, media_streams, fusion)
        self.head_norm = nn.LayerNorm(width)
        self.emotion_head = nn.Linear(width, emotions)
        self.intent_head = nn.Linear(width, intents)
        self.persona = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, token_width))
        self.user_emotion = nn.Linear(emotions, token_width)
        self.user_intent = nn.Linear(intents, token_width)
        self.reply_emotion = nn.Linear(emotions, token_width)
        self.norm = nn.LayerNorm(token_width)

    def perceive(self, hidden: Tensor, context: FusionContext) -> Perception:
        """Read intent and emotion.

        Args:
            hidden: Last hidden states at the ends of turns, `[turns, 1, d]`.
            context: What each of them may see, with `turns` rows.
        """
        states = self.head_norm(self.fused.fuse(hidden, context)[:, 0])
        return Perception(self.emotion_head(states), self.intent_head(states))

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
