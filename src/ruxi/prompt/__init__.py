"""Character and dialogue to tokens and media slots: the same for training and for the stage."""

from ruxi.prompt.builder import PromptBuilder
from ruxi.prompt.chat_format import ChatFormat
from ruxi.prompt.types import PERSONA_TURN, MediaSlot, Message, MessagePart, Prompt

__all__ = ["PERSONA_TURN", "ChatFormat", "MediaSlot", "Message", "MessagePart", "Prompt", "PromptBuilder"]
