"""A reader for WML, the language in which Wesnoth's scenarios are written, as far as texts need it.

Macros are not run: the body of a `#define` stands in the tree as a tag `#define`, both branches of an `#ifdef` are
read, and a macro call is passed over unless WML with tags stands in its arguments. What does not fit together is
noted, and reading goes on. A value that is a macro call with quoted texts is those texts. See https://wiki.wesnoth.org/SyntaxWML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_DEPTH = 100


@dataclass
class Tag:
    """A WML tag.

    Attributes:
        name: Its name.
        line: Where it begins.
        attributes: Its keys; a key given twice keeps the last value.
        children: The tags in it.
    """

    name: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Tag] = field(default_factory=list)

    def walk(self, name: str) -> Iterator[Tag]:
        """All tags of this name below this one, in order."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.walk(name)


_SPACE = re.compile(r"[ \t\r]*")
_TAG = re.compile(r"\[(/?)\+?([\w-]+)\]")
_DEFINE = re.compile(r"#define[ \t]+(\S+)[^\n]*")
_KEY = re.compile(r"([A-Za-z_][\w,. ]*?)[ \t]*=")
_TAG_LINE = re.compile(r"\n\s*\[/?\w+\]\s*\n")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_PLAIN = re.compile(r'[^"\n+#{<]+|[+#<]')


class _Reader:
    def __init__(self, text: str, first_line: int, depth: int) -> None:
        self.text = text
        self.position = 0
        self.root = Tag("", first_line)
        self.stack = [self.root]
        self.faults: list[tuple[int, str]] = []
        self._line = first_line
        self._counted = 0
        self._depth = depth

    def line(self) -> int:
        self._line += self.text.count("\n", self._counted, self.position)
        self._counted = self.position
        return self._line

    def read(self) -> None:
        text = self.text
        while self.position < len(text):
            character = text[self.position]
            if character in " \t\r\n":
                self.position += 1
            elif character == "#":
                self._directive()
            elif character == "{":
                self._macro_call()
            elif tag := _TAG.match(text, self.position):
                self._tag(tag[1] == "/", tag[2])
                self.position = tag.end()
            elif key := _KEY.match(text, self.position):
                self._attribute(key)
            else:
                self._skip_line()
        for tag_ in self.stack[1:]:
            self.faults.append((tag_.line, f"[{tag_.name}] is never closed"))

    def _directive(self) -> None:
        if define := _DEFINE.match(self.text, self.position):
            self._open(Tag("#define", self.line(), {"name": define[1]}))
            self.position = define.end()
            return
        if self.text.startswith("#enddef", self.position):
            self._close("#define")
        self._skip_line()

    def _tag(self, closing: bool, name: str) -> None:
        if closing:
            self._close(name)
        else:
            self._open(Tag(name, self.line()))

    def _open(self, tag: Tag) -> None:
        if len(self.stack) > MAX_DEPTH:
            self.faults.append((tag.line, f"[{tag.name}] is nested too deeply"))
            return
        self.stack[-1].children.append(tag)
        self.stack.append(tag)

    def _close(self, name: str) -> None:
        for place in range(len(self.stack) - 1, 0, -1):
            if self.stack[place].name == name:
                for tag in self.stack[place + 1 :]:
                    # `#ifdef` branches may open a tag twice and close it once.
                    self.faults.append((tag.line, f"[{tag.name}] is not closed before [/{name}]"))
                del self.stack[place:]
                return
        self.faults.append((self.line(), f"[/{name}] closes nothing"))

    def _attribute(self, key: re.Match[str]) -> None:
        self.position = key.end()
        line = self.line()
        value = self._value(line)
        keys = [name.strip() for name in key[1].split(",")]
        values = [part.strip() for part in value.split(",")] if len(keys) > 1 else [value]
        self.stack[-1].attributes.update(zip(keys, values, strict=False))

    def _value(self, line: int) -> str:
        pieces: list[str] = []
        while self.position < len(self.text):
            self.position = _SPACE.match(self.text, self.position).end()  # type: ignore[union-attr]  # may be empty
            if self.position >= len(self.text) or self.text[self.position] == "\n":
                break
            character = self.text[self.position]
            if character == '"':
                pieces.append(self._quoted(line))
            elif self.text.startswith("<<", self.position):
                pieces.append(self._until(">>", line))
            elif character == "#":
                self._skip_line()
                break
            elif character == "+":
                self._join()
            elif character == "{":
                call = self._macro_call()
                # A macro around a text, such as {WHISPER _"..."}, changes how it is shown and not what is said.
                pieces.append(" ".join(_QUOTED.findall(call)).replace('""', '"') or call)
            else:
                plain = _PLAIN.match(self.text, self.position)
                found = plain[0] if plain else character
                self.position += len(found)
                found = found.rstrip()
                # A lone underscore marks the text that follows for translation.
                pieces.append(found[:-1].rstrip() if found == "_" or found.endswith((" _", "\t_")) else found)
        return "".join(pieces).strip()

    def _join(self) -> None:
        """A plus sign joins two texts, also over the end of the line and comments."""
        self.position += 1
        while self.position < len(self.text):
            self.position = _SPACE.match(self.text, self.position).end()  # type: ignore[union-attr]  # may be empty
            if self.text.startswith("\n", self.position):
                self.position += 1
            elif self.text.startswith("#", self.position):
                self._skip_line()
            else:
                return

    def _quoted(self, line: int) -> str:
        start = self.position + 1
        end = start
        while True:
            end = self.text.find('"', end)
            if end < 0:
                self.faults.append((line, "a quotation mark is never closed"))
                end = len(self.text)
                break
            if self.text.startswith('""', end):
                end += 2
                continue
            break
        self.position = min(end + 1, len(self.text))
        if _TAG_LINE.search(self.text, start, end):
            self.faults.append((line, "a text has WML tags in it: a quotation mark is missing or one too many"))
        return self.text[start:end].replace('""', '"')

    def _until(self, ending: str, line: int) -> str:
        start = self.position + 2
        end = self.text.find(ending, start)
        if end < 0:
            self.faults.append((line, f"{ending!r} is missing"))
            end = len(self.text)
        self.position = min(end + 2, len(self.text))
        return self.text[start:end]

    def _macro_call(self) -> str:
        line, start = self.line(), self.position
        level, quoted = 0, False
        while self.position < len(self.text):
            character = self.text[self.position]
            self.position += 1
            if character == '"':
                quoted = not quoted
            elif not quoted and character in "{}":
                level += 1 if character == "{" else -1
                if level == 0:
                    break
        if level:
            self.faults.append((line, "a brace is never closed"))
        call = self.text[start : self.position]
        if "[message]" in call and self._depth < 10:
            inside = _Reader(call[1:].rstrip("}"), line, self._depth + 1)
            inside.read()
            self.stack[-1].children.extend(inside.root.children)
        return call

    def _skip_line(self) -> None:
        end = self.text.find("\n", self.position)
        self.position = len(self.text) if end < 0 else end


def parse(text: str) -> tuple[Tag, list[tuple[int, str]]]:
    """Read a WML file.

    Args:
        text: The file's text.

    Returns:
        A nameless tag that holds the file's tags, and the faults as (line, problem).
    """
    reader = _Reader(text, 1, 0)
    reader.read()
    return reader.root, reader.faults
