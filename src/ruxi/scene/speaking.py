"""One reply, from the engine's pieces to text that can be shown, and to the `Reply` that is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from ruxi.dialogues import Label
from ruxi.prompt import ChatFormat, Prompt
from ruxi.runtime import Delta, Engine, FinishReason, Media, Sampling
from ruxi.scene.reply import Heard, Reply, Timings, Usage
from ruxi.scene.reply_text import ReplyText

_ATTEMPTS = 3
"""How often a silent character is asked again, with other dice."""


Pieces = Generator[tuple[Delta, Usage], None, None]
"""Pieces of a reply, each with the usage so far."""


@dataclass(frozen=True)
class Heading:
    """What is known about a reply before its first word.

    Attributes:
        seen: What was recognised in the user's turn.
        heard: What was understood of it.
        perceive: Seconds that this took.
        began: When the user's turn came in, on the monotonic clock.
    """

    seen: tuple[Label, ...]
    heard: tuple[Heard, ...]
    perceive: float
    began: float


def speak(
    engine: Engine, prompt: Prompt, media: Media, sampling: Sampling, names: Sequence[str], others: Sequence[str]
) -> Pieces:
    """Let an engine answer; a character that says nothing is asked again.

    Args:
        engine: Who speaks.
        prompt: What it answers.
        media: Features of the prompt's media.
        sampling: How its tokens are drawn.
        names: The character's names; one is taken away when the reply begins with it.
        others: Names for which it must not speak.

    Yields:
        Pieces whose texts together are the reply, with the usage so far.
    """
    stops = (*sampling.stop, *(f"\n{name}：" for name in others), *_markers(engine.prompts.chat_format))
    # Greedy answers would only be the same again.
    attempts = _ATTEMPTS if sampling.temperature > 0 else 1
    read, completion = len(prompt.input_ids), 0
    for attempt in range(attempts):
        seed = None if sampling.seed is None else sampling.seed + 1_000_003 * attempt
        text = ReplyText(names)
        spoken = False
        before = completion
        with closing(engine.generate(prompt, media, replace(sampling, stop=stops, seed=seed))) as deltas:
            for delta in deltas:
                completion += len(delta.token_ids)
                if delta.completion_tokens is not None:
                    completion = before + delta.completion_tokens
                read = delta.prompt_tokens or read
                piece = text.push(delta.text)
                if text.stopped:
                    delta = replace(delta, finish_reason="stop")
                if delta.finish_reason is not None:
                    piece += text.flush()
                spoken = spoken or bool(piece)
                if delta.finish_reason is None or spoken or attempt == attempts - 1:
                    usage = Usage(prompt_tokens=read, completion_tokens=completion)
                    yield replace(delta, text=piece), usage
                if text.stopped:
                    break
        if spoken:
            return


class ReplyStream(Iterator[str]):
    """The pieces of a reply as they are spoken.

    Args:
        pieces: What `speak` gives.
        heading: What was perceived.
        keep: Takes the reply when it is over, however it ends, and when its first word came, on the monotonic
            clock.
    """

    def __init__(
        self,
        pieces: Pieces,
        heading: Heading,
        keep: Callable[[Reply, float], None],
    ) -> None:
        self._pieces = pieces
        self._heading = heading
        self._keep = keep
        self._texts: list[str] = []
        self._last = Delta("")
        self._usage = Usage()
        self._first_text: float | None = None
        self._reply: Reply | None = None

    @property
    def seen(self) -> tuple[Label, ...]:
        """What was recognised in the user's turn, best first."""
        return self._heading.seen

    @property
    def heard(self) -> tuple[Heard, ...]:
        """What was understood of the user's turn."""
        return self._heading.heard

    @property
    def reply(self) -> Reply | None:
        """The whole reply; None while it is being spoken."""
        return self._reply

    def __next__(self) -> str:
        if self._reply is not None:
            raise StopIteration
        try:
            for delta, usage in self._pieces:
                self._last, self._usage = delta, usage
                if delta.text:
                    self._texts.append(delta.text)
                    if self._first_text is None:
                        self._first_text = time.monotonic()
                    return delta.text
        except BaseException:
            self._end("cancelled")
            raise
        self._end(self._last.finish_reason or "stop")
        raise StopIteration

    def close(self) -> None:
        """Interrupt the character; what it has said is kept."""
        if self._reply is None:
            self._pieces.close()
            self._end("cancelled")

    def finish(self) -> Reply:
        """Hear the reply to its end."""
        for _ in self:
            pass
        assert self._reply is not None  # noqa: S101 - set when the pieces end
        return self._reply

    def _end(self, finish_reason: FinishReason) -> None:
        now, heading = time.monotonic(), self._heading
        heard_first = self._first_text or now
        self._reply = Reply(
            text="".join(self._texts),
            emotion=self._last.emotion,
            user_intent=self._last.user_intent,
            user_emotion=self._last.user_emotion,
            seen=heading.seen,
            heard=heading.heard,
            timings=Timings(
                perceive=round(heading.perceive, 3),
                first_token=round(heard_first - heading.began - heading.perceive, 3),
                total=round(now - heading.began, 3),
            ),
            usage=self._usage,
            finish_reason=finish_reason,
        )
        self._keep(self._reply, heard_first)


def _markers(chat_format: ChatFormat) -> tuple[str, ...]:
    """The model's own marks of who speaks, should it spell them out; names alone are no marks."""
    around = (chat_format.user, chat_format.assistant, chat_format.system or ("", ""))
    lines = [text.strip().partition("\n")[0] for pair in around for text in pair]
    return tuple(dict.fromkeys(line for line in (*lines, "<START>") if line and not line[0].isalnum()))
