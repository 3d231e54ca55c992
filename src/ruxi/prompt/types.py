"""A prompt: the tokens and the media slots that training and the stage share, and the same as messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ruxi.dialogues import Part

PERSONA_TURN = -1
"""Turn index of the tokens before the first turn: persona, scene and guidance text."""


@dataclass(frozen=True)
class MediaSlot:
    """A medium that the tokens of its own turn and of later turns may attend to.

    Attributes:
        kind: `image`, `audio` or `video`.
        media: SHA-256 of its bytes.
        turn: Index of its turn in the dialogue.
        start: Begin on the dialogue's time axis in seconds, or None.
        part: The part that it comes from.
    """

    kind: str
    media: str
    turn: int
    start: float | None
    part: Part


@dataclass(frozen=True)
class MessagePart:
    """A piece of a message.

    Attributes:
        text: Its words; for a medium what stands for it in the tokens, such as its transcript.
        slot: The medium that the words stand for, or None.
    """

    text: str
    slot: MediaSlot | None = None


@dataclass(frozen=True)
class Message:
    """One message of the conversation, for engines that have a tokenizer and a template of their own.

    Attributes:
        role: Who speaks; `system` is the persona, or the note before the reply.
        parts: What is said, in order; empty pieces are left out.
        turn: Index of its turn, as in `Prompt.turn_ids`.
        marked: Whether the tokens of its words are marked in `Prompt.loss_mask`.
        name: Who says it, where more than one speak to the character.
        whole: False for a reply that is cut off before the end of its turn.
    """

    role: Literal["system", "user", "assistant"]
    parts: tuple[MessagePart, ...]
    turn: int
    marked: bool = False
    name: str | None = None
    whole: bool = True

    @property
    def text(self) -> str:
        """The words as they stand in the tokens."""
        words = "\n".join(part.text for part in self.parts)
        return f"{self.name}: {words}" if self.name else words


@dataclass(frozen=True)
class Prompt:
    """Tokens with the turn that each belongs to.

    Attributes:
        input_ids: Token ids, `n` of them.
        turn_ids: Index of each token's turn in the dialogue, `n` of them; `PERSONA_TURN` before the first turn.
            The header that opens the reply belongs to the turn that is about to be spoken.
        loss_mask: True for the tokens that the character speaks (with the end of its turn): the training targets.
        slots: The media in the turns that are kept, in order of appearance.
        first_turn: Index of the oldest turn that is kept; older ones did not fit.
        stop: Strings at which the reply ends because somebody else begins to speak.
        emotion: The emotion that the reply should carry, for the guidance tokens.
        messages: The same conversation as messages, without the header that opens the reply.
    """

    input_ids: tuple[int, ...]
    turn_ids: tuple[int, ...]
    loss_mask: tuple[bool, ...]
    slots: tuple[MediaSlot, ...] = ()
    first_turn: int = 0
    stop: tuple[str, ...] = ()
    emotion: str | None = None
    messages: tuple[Message, ...] = ()
