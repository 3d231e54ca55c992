"""What a text says of its speaker, and the opposite of it; English, by rules."""

from __future__ import annotations

import re

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
_OPPOSITES = (
    (re.compile(r"\b(I am|I'm)\b", re.I), "I am not"),
    (re.compile(r"\bI have\b", re.I), "I do not have"),
    (re.compile(r"\bI (can|could|will|would|should)\b", re.I), r"I \1 not"),
    (re.compile(r"\bI was\b", re.I), "I was not"),
    (re.compile(r"\b[Mm]y ((?:\w+ ){1,3}?)(is|are|was|were)\b"), r"My \1\2 not"),
    (
        re.compile(
            r"\bI (love|like|enjoy|hate|work|live|play|want|go|know|drive|own|collect|eat|drink|speak|study|teach|need|"
            r"prefer|read|watch|listen|run|cook|sing|write|wear|travel|believe|think|hope)\b",
            re.I,
        ),
        r"I do not \1",
    ),
)
_NEGATIVE = re.compile(
    r"\b(?:not|never|no|don't|can't|won't|isn't|wasn't|doesn't|didn't|haven't|nobody|nothing)\b", re.I
)


def first_person(text: str) -> list[str]:
    """Sentences of more than two words that speak of "I" or "my", each once."""
    sentences = [found[0].strip() for found in _SENTENCE.finditer(text)]
    return [s for s in dict.fromkeys(sentences) if re.search(r"\b(?:I|my)\b", s, re.I) and len(s.split()) > 2]


def opposites(text: str) -> dict[str, str]:
    """Those sentences that can be turned into their opposite, each with it, in the order of the text."""
    turned = ((sentence, opposite(sentence)) for sentence in first_person(text))
    return {sentence: against for sentence, against in turned if against is not None}


def opposite(sentence: str) -> str | None:
    """A sentence in the first person turned into its opposite; None when it is negative or cannot be turned."""
    if _NEGATIVE.search(sentence):
        return None
    for pattern, replacement in _OPPOSITES:
        turned, count = pattern.subn(replacement, sentence, count=1)
        if count:
            return turned
    return None
