"""The text of a reply without its wrapping.

Small models like to begin with the name of the one who speaks, and to end with empty lines. Both are taken away
while the text streams: the pieces that are shown, put together, are the reply's text. A later line that begins
with the speaker's name again is the next turn of a made-up script; the reply ends before it.
"""

from __future__ import annotations

from collections.abc import Iterable

from ruxi.runtime.streaming import StopStrings

_COLONS = (":", "：")


class ReplyText:
    """Takes away white space around a reply and the speaker's name before it.

    Args:
        names: Names of the character that speaks.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._labels = tuple(f"{name}{colon}" for name in names if name for colon in _COLONS)
        self._own_lines = StopStrings(f"\n{label}" for label in self._labels)
        self._held = ""
        self._begun = False

    @property
    def stopped(self) -> bool:
        """True when the reply ended because its speaker was announced anew."""
        return self._own_lines.stopped

    def push(self, text: str) -> str:
        """Add text; get what can be shown by now."""
        if self._begun:
            self._held += self._own_lines.push(text)
        else:
            self._held = (self._held + text).lstrip()
            while label := next((one for one in self._labels if self._held.startswith(one)), None):
                self._held = self._held.removeprefix(label).lstrip()
            if not self._held or any(label.startswith(self._held) for label in self._labels):
                return ""
            self._begun = True
            self._held = self._own_lines.push(self._held)
        shown = self._held.rstrip()
        self._held = self._held[len(shown) :]
        return shown

    def flush(self) -> str:
        """Get what was held back, at the end of the reply."""
        rest = self._own_lines.flush() if self._begun else ""
        shown, self._held = (self._held + rest).rstrip(), ""
        return shown
