r"""The macros in card texts: `{{char}}`, `{{user}}`, `{{random:a,b}}` and the others of Card V3.

Names are found in any case. A macro's argument may hold macros, and the inner one goes first; what a macro
yields is never read for macros again, so that a user called `{{original}}` stays just that. What is no macro
stays as it is.

Specification: "Curly Braced Syntaxes" in `SPEC_V3.md` of kwaroran/character-card-spec-v3; `<BOT>` and
    `<USER>` are
V1's. Two spellings of widespread programs are read as well: `{{random::a::b}}` and `{{roll 2d6}}`.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_BRACES = re.compile(r"(\{\{(?!\{)|\}\}|<bot>|<user>)", re.IGNORECASE)
_HEAD = re.compile(r"\s*(//|[a-z_]+)\s*(::?)?", re.IGNORECASE)
_DICE = re.compile(r"(?:([1-9]\d?)?d)?([1-9]\d{0,8})", re.IGNORECASE)
_SEPARATOR = {":": re.compile(r"(?<!\\),"), "::": re.compile(r"::")}
_SILENT = frozenset({"//", "comment", "hidden_key"})
_KNOWN = frozenset({"char", "user", "original", "random", "pick", "roll", "reverse"}) | _SILENT
_DEEPEST = 50


class _Result(str):
    """What a macro yielded; a comma in it separates nothing."""

    __slots__ = ()


@dataclass(frozen=True)
class _Meaning:
    """What the macros of one text stand for."""

    names: Mapping[str, str]
    rng: random.Random
    picks: random.Random


def expand(
    text: str,
    *,
    char: str,
    user: str,
    original: str | None = None,
    values: Mapping[str, str] | None = None,
    rng: random.Random | None = None,
) -> str:
    """Replace the macros of a text.

    Args:
        text: Text of a card.
        char: What the character is called.
        user: What the user is called.
        original: Text for `{{original}}`: what a card's own instructions replace. Its macros are expanded
            too.
        values: Further macros and their texts, by lower-case name.
        rng: Draws for `{{random}}` and `{{roll}}`. Without it they depend on the text and the names alone:
            the same text expands alike every time, as training and a cached prompt need. `{{pick}}` never
            uses it.

    Returns:
        The text as the model should read it: comments and hidden keys are gone.
    """
    if "{{" not in text and "<" not in text:
        return text
    seed = hashlib.sha256("\0".join((char, user, text)).encode("utf-8", "replace")).digest()
    names = {**(values or {}), "char": char, "user": user, "original": ""}
    if original:
        names["original"] = expand(original, char=char, user=user, values=values, rng=rng)
    return _replace(text, _Meaning(names, rng or random.Random(seed), random.Random(seed[::-1])))


def unknown_macros(text: str) -> list[str]:
    """The names in `{{…}}` that `expand` leaves as they are, in order of appearance."""
    found = dict.fromkeys(match[1] for match in re.finditer(r"\{\{\s*(//|[a-z_]+)[^{}]*\}\}", text, re.IGNORECASE))
    return [name for name in found if name.lower() not in _KNOWN]


def _replace(text: str, meaning: _Meaning) -> str:
    # One list of pieces for the text and for each macro that is open; depth is bounded to keep the work
    # linear.
    levels: list[list[str]] = [[]]
    for piece in filter(None, _BRACES.split(text)):
        if piece == "{{" and len(levels) <= _DEEPEST:
            levels.append([])
        elif piece == "}}" and len(levels) > 1:
            inner = levels.pop()
            value = _evaluate(inner, meaning)
            levels[-1].append(_Result("{{" + "".join(inner) + "}}" if value is None else value))
        elif piece[0] == "<" and piece.lower() in ("<bot>", "<user>"):
            levels[-1].append(_Result(meaning.names["char" if piece.lower() == "<bot>" else "user"]))
        else:
            levels[-1].append(piece)
    return "{{".join("".join(pieces) for pieces in levels)


def _evaluate(pieces: Sequence[str], meaning: _Meaning) -> str | None:
    """What the inside of `{{…}}` stands for; None if it is no macro."""
    head = None if not pieces or isinstance(pieces[0], _Result) else _HEAD.match(pieces[0])
    if head is None:
        return None
    name, separator = head[1].lower(), head[2]
    arguments = [pieces[0][head.end() :], *pieces[1:]]
    words = "".join(arguments)
    if name in _SILENT:
        return ""
    if name in meaning.names and not words.strip():
        return meaning.names[name]
    if name == "roll":
        return _roll(words, meaning.rng)
    if separator is None:
        return None
    if name == "reverse":
        return words[::-1]
    if name in ("random", "pick"):
        rng = meaning.rng if name == "random" else meaning.picks
        return rng.choice(_options(arguments, separator))
    return None


def _options(arguments: Sequence[str], separator: str) -> list[str]:
    options = [""]
    for piece in arguments:
        if isinstance(piece, _Result):
            options[-1] += piece
            continue
        first, *others = (option.replace("\\,", ",") for option in _SEPARATOR[separator].split(piece))
        options[-1] += first
        options += others
    return [option.strip() for option in options]


def _roll(dice: str, rng: random.Random) -> str | None:
    match = _DICE.fullmatch(dice.strip())
    if match is None:
        return None
    return str(sum(rng.randint(1, int(match[2])) for _ in range(int(match[1] or 1))))
