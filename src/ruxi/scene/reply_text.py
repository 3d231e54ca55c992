"""The text of a reply without its wrapping.

Small models like to begin with the name of the one who speaks, and to end with empty lines. Both are taken away
while the text streams: the pieces that are shown, put together, are the reply's text.
"""

from __future__ import annotations

from collections.abc import Iterable

_COLONS = (":", "：")


class ReplyText:
    """Takes away white space around a reply and the speaker's name before it.

    Args:
        names: Names of the character that speaks.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._labels = tuple(f"{name}{colon}" for name in names if name for colon in _COLONS)
        self._held = ""
        self._begun = False

    def push(self, text: str) -> str:
        """Add text; get what can be shown by now."""
        self._held += text
        if not self._begun:
            self._held = self._held.lstrip()
            for label in self._labels:
                self._held = self._held.removeprefix(label).lstrip()
            if not self._held or any(label.startswith(self._held) for label in self._labels):
                return ""
            self._begun = True
        shown = self._held.rstrip()
        self._held = self._held[len(shown) :]
        return shown

    def flush(self) -> str:
        """Get what was held back, at the end of the reply."""
        shown, self._held = self._held.strip(), ""
        return shown
