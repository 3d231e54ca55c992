"""A reader for Ren'Py scripts, as far as dialogue needs it.

Scripts are never run: Python blocks, screens and transforms are passed over. What is left is what a player sees and
reads, in order: `scene`, `show`, `hide`, what is said, and the choices of menus. Lines in different branches of a
menu or an `if` are never told one after the other. See https://www.renpy.org/doc/html/language_basics.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

MAX_DEPTH = 60

_STRING = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_SAY = re.compile(
    rf"(?P<who>{_STRING}|[A-Za-z_][\w.]*)?(?P<attributes>(?:\s+-?@?[A-Za-z_]\w*)*)\s*"
    rf"(?P<what>\"\"\".*?\"\"\"|\'\'\'.*?\'\'\'|{_STRING})(?P<rest>.*)",
    re.DOTALL,
)
_CHARACTER = re.compile(
    rf"(?:define|default|\$)\s+([A-Za-z_][\w.]*)\s*=\s*(?:Dynamic)?Character\(\s*(?:_\(\s*)?({_STRING}|None)(?=\s*[,)])(.*)",
    re.DOTALL,
)
_IMAGE_TAG = re.compile(rf"\bimage\s*=\s*({_STRING})")
_LABEL = re.compile(r"label\s+([\w.]+)\s*(?:\(.*\))?\s*(?:hide\s*)?:$", re.DOTALL)
_CHOICE = re.compile(rf"({_STRING})\s*(?:\(.*\)\s*)?(?:if\s.+)?:$", re.DOTALL)
_IMAGE_WORDS = re.compile(r"[\w-]+")
_CLAUSES = {"at", "as", "behind", "onlayer", "zorder", "with", "expression"}
_SKIPPED = (
    "init",
    "python",
    "screen",
    "style",
    "transform",
    "image",
    "testcase",
    "translate",
    "layeredimage",
    "define",
)
_NO_SPEAKERS = {
    "call", "default", "define", "elif", "else", "for", "hide", "if", "image", "init", "jump", "label", "menu", "nvl",
    "pause", "pass", "play", "python", "queue", "return", "scene", "screen", "show", "stop", "style", "transform",
    "translate", "voice", "while", "window", "with",
}  # fmt: skip
_NEW_LINE_TAG = re.compile(r"[ ]*\{p(?:=[\d.]+)?\}[ ]*")
_TEXT_TAG = re.compile(r"\{(?!\{)[^{}]*\}")


@dataclass
class Statement:
    """One logical line with the block below it."""

    line: int
    indent: int
    text: str
    block: list[Statement] = field(default_factory=list)


@dataclass(frozen=True)
class Event:
    """Something that a player sees or reads.

    Attributes:
        kind: `say`, `choice`, `scene`, `show`, `hide`, or `break` where a branch begins or ends.
        line: Its line in the script.
        who: For `say` the speaker's variable or quoted name; None for narration.
        text: What is said, raw, or the label that begins at a `break`.
        image: Words of the image's name, or the attributes that come with a line.
    """

    kind: Literal["say", "choice", "scene", "show", "hide", "break"]
    line: int
    who: str | None = None
    text: str = ""
    image: tuple[str, ...] = ()


@dataclass(frozen=True)
class Speaker:
    """A `Character` that a script defines: its shown name and the tag of its images."""

    name: str
    image: str | None


def statements(text: str) -> tuple[list[Statement], list[tuple[int, str]]]:
    """A script as a tree of logical lines, and its faults as (line, problem)."""
    faults: list[tuple[int, str]] = []
    top: list[Statement] = []
    open_blocks: list[Statement] = []
    for line, indent, words in _logical_lines(text, faults):
        while open_blocks and open_blocks[-1].indent >= indent:
            open_blocks.pop()
        if open_blocks and not open_blocks[-1].text.endswith(":") and not _in_python(open_blocks):
            faults.append((line, "indented below a line that opens no block"))
            while open_blocks and not open_blocks[-1].text.endswith(":"):
                open_blocks.pop()
        if len(open_blocks) >= MAX_DEPTH:
            faults.append((line, "nested too deeply"))
            continue
        statement = Statement(line, indent, words)
        (open_blocks[-1].block if open_blocks else top).append(statement)
        open_blocks.append(statement)
    return top, faults


def _in_python(blocks: list[Statement]) -> bool:
    return any("python" in block.text.rstrip(":").split()[:3] for block in blocks)


def speakers(tree: list[Statement]) -> dict[str, Speaker]:
    """The characters that a script defines, by variable."""
    found: dict[str, Speaker] = {}
    for statement in tree:
        if match := _CHARACTER.match(statement.text):
            image = _IMAGE_TAG.search(match[3])
            name = "" if match[2] == "None" else unquoted(match[2])
            found[match[1]] = Speaker(name, unquoted(image[1]) if image else None)
        found.update(speakers(statement.block))
    return found


def events(tree: list[Statement]) -> Iterator[Event]:
    """What a player sees and reads, branch after branch."""
    for statement in tree:
        word = statement.text.split(None, 1)[0].rstrip(":") if statement.text else ""
        if label := _LABEL.match(statement.text):
            yield Event("break", statement.line, text=label[1])
            yield from events(statement.block)
        elif word == "menu" and statement.text.endswith(":"):
            yield from _menu(statement)
        elif word in ("elif", "else") and statement.block:
            yield Event("break", statement.line)
            yield from events(statement.block)
            yield Event("break", statement.line)
        elif word in _SKIPPED:
            continue
        elif word in ("scene", "show", "hide"):
            if image := _image_words(statement.text):
                yield Event(
                    "scene" if word == "scene" else "show" if word == "show" else "hide", statement.line, image=image
                )
        elif say := said(statement.text):
            yield from _spoken(say, statement.line)
        elif statement.block:
            yield from events(statement.block)


def said(text: str) -> re.Match[str] | None:
    """A say statement's parts: `who`, `attributes`, `what`; None when the line is another statement."""
    match = _SAY.fullmatch(text)
    if match is None or match["rest"].strip().endswith(":"):
        return None
    return None if match["who"] in _NO_SPEAKERS else match


def unquoted(literal: str) -> str:
    """The text of a string literal, its spaces drawn together as Ren'Py does."""
    marks = 3 if literal[:3] in ('"""', "'''") and len(literal) >= 6 else 1
    inner = literal[marks:-marks] if literal[:1] in "\"'" else literal
    if marks == 1:
        inner = re.sub(r"\s+", " ", inner)
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), inner, flags=re.DOTALL)


def plain(text: str, player: str) -> str:
    """A text without tags such as `{i}`; interpolations that name the player become the player's name."""
    text = _TEXT_TAG.sub("", _NEW_LINE_TAG.sub("\n", text)).replace("{{", "{")
    text = re.sub(r"\[(?:\w*player\w*|pname|mc|name)(?:!\w+)?\]", player, text, flags=re.IGNORECASE)
    return text.replace("[[", "[").strip()


def _spoken(say: re.Match[str], line: int) -> Iterator[Event]:
    attributes = tuple(word.lstrip("@") for word in say["attributes"].split())
    texts = [unquoted(say["what"])]
    if say["what"][:3] in ('"""', "'''"):
        paragraphs = re.split(r"\n\s*\n", texts[0])
        texts = [" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip()]
    for text in texts:
        yield Event("say", line, say["who"], text, attributes)
        attributes = ()


def _menu(menu: Statement) -> Iterator[Event]:
    for item in menu.block:
        if choice := _CHOICE.match(item.text):
            yield Event("break", item.line)
            yield Event("choice", item.line, text=unquoted(choice[1]))
            yield from events(item.block)
        elif say := said(item.text):
            yield from _spoken(say, item.line)
    yield Event("break", menu.line)


def _image_words(text: str) -> tuple[str, ...]:
    words = []
    for word in text.rstrip(":").split()[1:]:
        if word in _CLAUSES or not _IMAGE_WORDS.fullmatch(word):
            break
        words.append(word)
    return tuple(words)


def _logical_lines(text: str, faults: list[tuple[int, str]]) -> Iterator[tuple[int, int, str]]:
    """Join what stands in brackets and strings, drop comments, measure the indentation."""
    lines = text.expandtabs(4).splitlines()
    number = 0
    while number < len(lines):
        start = number
        words, mark, depth = _scan(lines[number], None, 0)
        pieces = [words]
        number += 1
        over_lines = False
        while (mark or depth > 0) and number < len(lines) and number - start < 500:
            over_lines = over_lines or mark in ('"', "'")
            words, mark, depth = _scan(lines[number], mark, depth)
            pieces.append(words)
            number += 1
        line = "\n".join(pieces)
        # Only what is said may be a plain string over several lines; elsewhere a quotation mark is missing.
        misquoted = over_lines and not (said(line.strip()) or _CHOICE.match(line.strip()))
        if mark or depth > 0 or misquoted:
            # Reading on from the next line loses one statement; reading to the end would lose all of them.
            faults.append((start + 1, "a string or bracket is never closed"))
            number = start + 1
            continue
        if stripped := line.strip():
            yield start + 1, len(line) - len(line.lstrip()), stripped


def _scan(line: str, mark: str | None, depth: int) -> tuple[str, str | None, int]:
    """Go over a line: what stands before a comment, the quotation mark still open at its end, and open brackets."""
    place = 0
    while place < len(line):
        character = line[place]
        if mark:
            if character == "\\":
                place += 1
            elif line.startswith(mark, place):
                place += len(mark) - 1
                mark = None
        elif character == "#":
            return line[:place], mark, depth
        elif character in "\"'":
            mark = line[place : place + 3] if line[place : place + 3] in ('"""', "'''") else character
            place += len(mark) - 1
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth = max(0, depth - 1)
        place += 1
    return line, mark, depth
