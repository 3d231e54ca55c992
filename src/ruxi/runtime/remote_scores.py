"""Log-likelihoods from a server that repeats a text with the probability of each token (`/completions` with `echo`).

The text is written here, in the chat format of the server's model, so that it is known where the scored words stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ruxi.errors import EngineError
from ruxi.prompt import ChatFormat, Prompt

Span = tuple[int, int]


def written(prompt: Prompt, chat_format: ChatFormat) -> tuple[str, list[Span]]:
    """A prompt as one text, and where in it the marked words stand.

    Args:
        prompt: Its messages are written, without a header for a further reply.
        chat_format: How the model marks who speaks.

    Returns:
        The text, and begin and end of each marked message's words with the end of the turn, in characters.
    """
    text = chat_format.start
    spans = []
    for message in prompt.messages:
        around = {"system": chat_format.system, "user": chat_format.user, "assistant": chat_format.assistant}
        header, footer = around[message.role] or chat_format.user
        begin = len(text) + len(header)
        text += header + message.text + (footer if message.whole else "")
        if message.marked:
            end = begin + len(message.text) + (len(footer.rstrip()) if message.whole else 0)
            spans.append((begin, end))
    return text, spans


def marked_scores(answer: Mapping[str, Any], text: str, spans: Sequence[Span], where: str) -> npt.NDArray[np.float32]:
    """The scores of the tokens that begin in one of the spans.

    Args:
        answer: What the server said.
        text: What it was to repeat.
        spans: Where the marked words stand in it.
        where: The server, for messages.

    Raises:
        EngineError: The text was not repeated with its probabilities.
    """
    try:
        choice = answer["choices"][0]
        repeated = str(choice["text"]).startswith(text)
        scores = list(zip(choice["logprobs"]["text_offset"], choice["logprobs"]["token_logprobs"], strict=True))
        marked = [score for offset, score in scores if any(begin <= offset < end for begin, end in spans)]
    except (KeyError, IndexError, TypeError, ValueError):
        repeated, marked = False, []
    if not repeated or None in marked or (spans and not marked):
        raise EngineError(
            "the server does not give the probabilities of a text (`/completions` with `echo` and `logprobs`)",
            where=where,
            remedy="Measure what it generates, or use a local engine.",
        )
    return np.array(marked, dtype=np.float32)
