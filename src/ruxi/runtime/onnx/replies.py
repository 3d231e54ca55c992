"""A reply on its way from the scheduler's thread to whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from ruxi.runtime.onnx.decoder import Result
from ruxi.runtime.onnx.graphs import Floats
from ruxi.runtime.onnx.reading import Reading, Reads
from ruxi.runtime.protocol import Delta, Feelings, FinishReason
from ruxi.runtime.sampling import Sampler
from ruxi.runtime.streaming import TextStream


@dataclass(frozen=True)
class Perceived:
    """What the user wants and feels, or None without guidance; comes before the first token."""

    feelings: Feelings | None


@dataclass(frozen=True)
class Ended:
    """Comes after the last token."""

    reason: FinishReason


Spoken = SimpleQueue[Perceived | int | Ended | BaseException]
"""What was perceived, the tokens of a reply, then its end; at any time what went wrong."""


def speak(reading: Reading, sampler: Sampler, end_ids: Collection[int], longest: int, spoken: Spoken) -> Reads:
    """The scheduler's side: read the prompt, then draw token after token.

    Args:
        reading: The prompt.
        sampler: Draws the tokens.
        end_ids: Tokens that end the reply; they are not part of it.
        longest: Most tokens.
        spoken: Where they go.
    """
    logits: list[Floats] = []

    def take(_: object, result: Result) -> None:
        logits.append(result.logits[-1])

    yield from reading.prompt([len(reading.layout.ids) - 1], take)
    spoken.put(Perceived(reading.perception))
    token = sampler.choose(logits.pop())
    for said in range(1, longest + 1):
        if token in end_ids:
            spoken.put(Ended("stop"))
            return
        spoken.put(token)
        if said < longest:
            result = yield reading.next(token)
            token = sampler.choose(result.logits[0])
    spoken.put(Ended("length"))


class SpokenReply(Generator[Delta, None, None]):
    """The listener's side: the pieces of a reply. Closing it, or letting go of it, stops the work.

    Args:
        spoken: Where the tokens come from.
        text: Makes text of them.
        emotion: The reply's emotion.
        cancel: Stops the work.
    """

    def __init__(self, spoken: Spoken, text: TextStream, emotion: str | None, cancel: Callable[[], None]) -> None:
        self._spoken = spoken
        self._text = text
        self._emotion = emotion
        self._cancel = cancel
        self._feelings: Feelings = {}
        self._over = False

    def send(self, value: None = None, /) -> Delta:
        """The next piece; waits for it."""
        if self._over:
            raise StopIteration
        try:
            if self._text.stopped:
                return self._last("stop")
            while isinstance(heard := self._spoken.get(), Perceived):
                self._feelings = heard.feelings or {}
            if isinstance(heard, Ended):
                return self._last(heard.reason)
            if isinstance(heard, BaseException):
                raise heard
            piece = Delta(self._text.push(heard), (heard,))
            if self._text.stopped:
                self._cancel()
            return piece
        except BaseException:  # Ctrl-C, too, must not leave a reply that nobody hears
            self.close()
            raise

    def throw(self, kind: Any, value: Any = None, traceback: Any = None, /) -> Delta:
        """Stop the work and raise what was given."""
        self.close()
        raise kind if value is None else value

    def close(self) -> None:
        """Stop the work; the slot is free before the next token is read."""
        self._over = True
        self._cancel()

    def __del__(self) -> None:
        self.close()

    def _last(self, reason: FinishReason) -> Delta:
        self._over = True
        return Delta(
            self._text.flush(),
            finish_reason=reason,
            emotion=self._emotion,
            user_emotion=_likeliest(self._feelings.get("emotion", {})),
            user_intent=_likeliest(self._feelings.get("intent", {})),
        )


def _likeliest(shares: object) -> str | None:
    return max(shares, key=shares.__getitem__) if isinstance(shares, dict) and shares else None
