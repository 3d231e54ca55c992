"""From tokens to text that can be shown at once.

Two things are held back until they are certain: the bytes of a character that is not complete, and text that
may turn out to be the beginning of a stop string. Whatever was shown never has to be taken back.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream


class StopStrings:
    """Lets text through up to the first stop string.

    The stop string whose last character comes first wins, so that the result does not depend on how the text
    is cut into pieces. The text counts as beginning on a new line: a line break and `User:` also match
    `User:` at its very start; but a line break alone matches only one that is in the text.

    Args:
        stops: The strings; empty ones are ignored.

    Attributes:
        stopped: True as soon as a stop string was found; everything later is dropped.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(stop for stop in dict.fromkeys(stops) if stop)
        self._held = "\n"
        self._unshown_line_break = True
        self.stopped = False

    def push(self, text: str) -> str:
        """Add text; get what is certain by now."""
        if self.stopped:
            return ""
        self._held += text
        ends = ((at + len(stop), at) for stop in self._stops if (at := self._held.find(stop, self._first(stop))) >= 0)
        found = min(ends, default=None)
        if found is not None:
            self.stopped = True
            return self._release(found[1])
        return self._release(len(self._held) - self._longest_beginning())

    def flush(self) -> str:
        """Get what was held back, at the end of the text."""
        return "" if self.stopped else self._release(len(self._held))

    def _longest_beginning(self) -> int:
        """Length of the longest end of the held text with which a stop string begins."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stops):
                return length
        return 0

    def _first(self, stop: str) -> int:
        """Where a stop string can begin; one of white space alone is not begun by the line break before the text."""
        return 1 if self._unshown_line_break and stop.isspace() else 0

    def _release(self, length: int) -> str:
        released, self._held = self._held[:length], self._held[length:]
        if released and self._unshown_line_break:
            self._unshown_line_break = False
            released = released[1:]
        return released


class TextStream:
    """Turns the tokens of one reply into text.

    Args:
        tokenizer: The tokenizer of the model that speaks.
        stops: Strings at which the reply ends; they are not part of it.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Iterable[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._decoder = DecodeStream(skip_special_tokens=True)
        self._stops = StopStrings(stops)

    @property
    def stopped(self) -> bool:
        """True when a stop string ended the reply."""
        return self._stops.stopped

    def push(self, token: int) -> str:
        """Add a token; get the text that is certain by now, whole characters only."""
        return self._stops.push(self._decoder.step(self._tokenizer, token) or "")

    def flush(self) -> str:
        """Get what was held back, at the end of the reply; a character never completed is dropped."""
        return self._stops.flush()
