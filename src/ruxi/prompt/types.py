"""A prompt: the tokens and the media slots that training and the stage share."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    input_ids: tuple[int, ...]
    turn_ids: tuple[int, ...]
    loss_mask: tuple[bool, ...]
    slots: tuple[MediaSlot, ...] = ()
    first_turn: int = 0
    stop: tuple[str, ...] = ()
    emotion: str | None = None
