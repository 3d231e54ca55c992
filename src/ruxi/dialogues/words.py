"""Words for comparing texts across languages."""

from __future__ import annotations

import re

UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0002fa1f"
"""Characters of scripts without spaces, for a regular expression; Hangul is among them, for its endings vary."""
_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; punctuation is left out."""
    return _WORD.findall(text.casefold())
