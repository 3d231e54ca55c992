"""What a character answers, and what it perceived before it spoke."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ruxi.dialogues import Label
from ruxi.runtime import FinishReason


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)


class Heard(_Result):
    """What was understood of a sound or of a video's sound track.

    Attributes:
        text: The transcript; empty when nothing was said.
        language: BCP 47 code of the speech, or None when nothing was said.
        confidence: Mean confidence of its words, between 0 and 1.
    """

    text: str
    language: str | None = None
    confidence: float = 0.0


class Timings(_Result):
    """How long it took, in seconds.

    Attributes:
        perceive: Looking at and listening to the media of the user's turn.
        first_token: From the end of perception to the first text of the reply.
        total: From the user's turn to the last text of the reply.
    """

    perceive: float = 0.0
    first_token: float = 0.0
    total: float = 0.0


class Usage(_Result):
    """What it cost, in tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Reply(_Result):
    """A character's answer to one turn of the user.

    Attributes:
        text: What it said.
        emotion: Its emotion, one of the 28 GoEmotions labels, or None when the engine cannot tell.
        user_intent: What the user wants, as perceived, or None.
        user_emotion: The user's emotion, as perceived, or None.
        seen: What was recognised in pictures and videos, best first.
        heard: What was understood of sounds and videos.
        timings: See `Timings`.
        usage: See `Usage`.
        finish_reason: `stop` when the character was done, `length` when `max_tokens` cut it off, `cancelled` when
            the listener did.
    """

    text: str
    emotion: str | None = None
    user_intent: str | None = None
    user_emotion: str | None = None
    seen: tuple[Label, ...] = ()
    heard: tuple[Heard, ...] = ()
    timings: Timings = Field(default_factory=Timings)
    usage: Usage = Field(default_factory=Usage)
    finish_reason: FinishReason = "stop"
