"""Words for comparing texts across languages."""

from __future__ import annotations

import re

# Scripts that are written without spaces: kana, Han, and Hangul syllables (whose endings vary too much for words).
_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0002fa1f"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; punctuation is left out."""
    return _WORD.findall(text.casefold())
