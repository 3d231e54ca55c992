"""Which written word was heard where: the longest common subsequence of words, then near-matches between its anchors.

Matching by words rather than by times makes the result independent of any offset between text and sound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ruxi.dialogues.extra import require_extra
from ruxi.dialogues.schema import Word
from ruxi.dialogues.words import UNSPACED, words_of

_SHOWN = re.compile(rf"[{UNSPACED}][^\w\s]*|[^\s{UNSPACED}]+")
_ALIKE = 0.6
"""Least similarity of two words of a gap: recognisers misspell names and write numbers in digits."""
_LONGEST_GAP = 40


@dataclass(frozen=True, slots=True)
class Token:
    """A word in lower case without punctuation.

    Attributes:
        text: The word; one character in scripts without spaces.
        word: Index of the written or heard word that it is a piece of.
        start: For a heard token its begin in seconds, otherwise 0.
        end: For a heard token its end in seconds, otherwise 0.
        confidence: The recogniser's confidence, 1 for a written token.
    """

    text: str
    word: int
    start: float = 0.0
    end: float = 0.0
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Match:
    """A written token and the heard one that it was matched with; `similarity` is 1 for the same word."""

    written: int
    heard: int
    similarity: float


def shown_words(text: str) -> list[str]:
    """A text as a person sees it, word by word with punctuation; single characters in scripts without spaces."""
    return _SHOWN.findall(text)


def written_tokens(words: Sequence[str]) -> list[Token]:
    """The tokens of written words; a word of punctuation alone has none."""
    return [Token(piece, index) for index, word in enumerate(words) for piece in words_of(word)]


def heard_tokens(words: Sequence[Word]) -> list[Token]:
    """The tokens of heard words; the pieces of a word share its time by their length."""
    tokens = []
    for index, word in enumerate(words):
        pieces = words_of(word.text)
        length, at = sum(map(len, pieces)), word.start
        for piece in pieces:
            end = at + (word.end - word.start) * len(piece) / length
            tokens.append(Token(piece, index, at, end, word.confidence))
            at = end
    return tokens


def match_tokens(written: Sequence[Token], heard: Sequence[Token]) -> list[Match]:
    """Match two rows of tokens in order.

    Raises:
        DataError: The extra `data` is not installed.
    """
    distance = require_extra("rapidfuzz.distance")
    left, right = [token.text for token in written], [token.text for token in heard]
    matches: list[Match] = []
    at = (0, 0)
    for tag, start, end, heard_start, heard_end in distance.LCSseq.opcodes(left, right):
        if tag == "equal":
            matches += _gap(left, right, range(at[0], start), range(at[1], heard_start))
            matches += [Match(start + step, heard_start + step, 1.0) for step in range(end - start)]
            at = (end, heard_end)
    matches += _gap(left, right, range(at[0], len(left)), range(at[1], len(right)))
    return matches


def _gap(left: list[str], right: list[str], written: range, heard: range) -> Iterator[Match]:
    """Pair misheard words between two anchors: the pairing in order with the greatest sum of similarities."""
    if not written or not heard or len(written) > _LONGEST_GAP or len(heard) > _LONGEST_GAP:
        return
    ratio = require_extra("rapidfuzz.distance").Levenshtein.normalized_similarity
    likeness = [[ratio(left[one], right[other]) for other in heard] for one in written]
    best = [[0.0] * (len(heard) + 1) for _ in range(len(written) + 1)]
    for row in range(len(written) - 1, -1, -1):
        for column in range(len(heard) - 1, -1, -1):
            value = likeness[row][column]
            paired = value + best[row + 1][column + 1] if value >= _ALIKE else 0.0
            best[row][column] = max(paired, best[row + 1][column], best[row][column + 1])
    row = column = 0
    while row < len(written) and column < len(heard):
        value = likeness[row][column]
        if value >= _ALIKE and best[row][column] == value + best[row + 1][column + 1]:
            yield Match(written[row], heard[column], value)
            row, column = row + 1, column + 1
        elif best[row][column] == best[row + 1][column]:
            row += 1
        else:
            column += 1
