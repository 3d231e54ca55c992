"""Several replies to one prompt, as choices for a person or samples for a measure."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import replace

from ruxi.errors import UsageError
from ruxi.prompt import Prompt
from ruxi.runtime.protocol import Delta, Engine, Media, Sampling


def generate_several(
    engine: Engine, prompt: Prompt, media: Media, sampling: Sampling, n: int
) -> Generator[tuple[int, Delta], None, None]:
    """Speak several replies side by side; an engine that can speak many at once does.

    Args:
        engine: Who speaks.
        prompt: What is answered.
        media: Features of the prompt's media.
        sampling: How tokens are drawn; reply k has the seed `sampling.seed + k`.
        n: How many replies.

    Yields:
        Pieces of the replies with the index of theirs, in turns. Closing the generator stops all of them.

    Raises:
        UsageError: `n` is less than 1.
        EngineError: See `Engine.generate`.
    """
    if n < 1:
        raise UsageError(f"{n} replies cannot be spoken", where="n", remedy="Ask for 1 or more.")
    seeds = [None if sampling.seed is None else sampling.seed + index for index in range(n)]
    with ExitStack() as stack:
        replies = {
            index: stack.enter_context(closing(engine.generate(prompt, media, replace(sampling, seed=seed))))
            for index, seed in enumerate(seeds)
        }
        while replies:
            for index, reply in list(replies.items()):
                delta = next(reply, None)
                if delta is None:
                    del replies[index]
                else:
                    yield index, delta
