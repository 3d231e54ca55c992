"""What is wrong with a card, one finding a field, so that all faults are told at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from ruxi.errors import CardError

_KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}
_EXPECTED = {
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
_SHOWN_FAULTS = 20
# Controls, and the marks that change the direction of text: both can make a terminal show something else.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Finding:
    """One fault or weakness of a card.

    Attributes:
        field: Where it is, as a JSON path (`data.tags[2]`) or a part of the file (`chunk 'ccv3'`).
        problem: What is wrong, with the offending value.
        remedy: What to do about it, as a sentence.
        severity: An `error` keeps the card from loading; a `warning` does not.
    """

    field: str
    problem: str
    remedy: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}" if self.field else self.problem


class CardFaults(Exception):  # noqa: N818 - caught within this room and turned into a CardError
    """The faults that keep a card from loading."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(str(finding) for finding in findings))
        self.findings = tuple(findings)

    def as_error(self, where: str) -> CardError:
        """The same as one error about a file; beyond twenty faults it only counts."""
        shown = [str(finding) for finding in self.findings[:_SHOWN_FAULTS]]
        hidden = len(self.findings) - len(shown)
        if hidden:
            shown.append(f"and {hidden} more")
        remedies = dict.fromkeys(finding.remedy for finding in self.findings)
        remedy = next(iter(remedies)) if len(remedies) == 1 else "`ruxi card check` tells what to do about each."
        return CardError(one_line("; ".join(shown)), where=one_line(where), remedy=remedy)


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    return _KINDS.get(type(value), type(value).__name__)


def shortened(value: Any, limit: int = 40) -> str:
    """A value as it can stand in a one-line message."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def printable(text: str) -> str:
    r"""Make characters visible that would steer a terminal: `\x1b` for an escape."""
    text = text.replace("\r\n", "\n")
    return _INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """The same for a message, which must stay on its line."""
    return printable(text).replace("\n", "\\n")


def findings_of(error: ValidationError, prefix: str) -> list[Finding]:
    """Put pydantic's errors into the words of a card's author.

    Args:
        error: What validation raised.
        prefix: Path of the validated object in the file, for example `data`; empty for the file's root.
    """
    found = []
    for item in error.errors(include_url=False):
        field = _path(prefix, item["loc"])
        value = item["input"]
        if item["type"] == "missing":
            found.append(Finding(field, "is missing", f"Add `{item['loc'][-1]}`."))
            continue
        expected = _EXPECTED.get(item["type"])
        if expected is None:
            problem = re.sub(r"^Value error, ", "", item["msg"])
            found.append(Finding(field, problem, f"Correct the value of `{field}`."))
        else:
            problem = f"is {kind_of(value)} ({shortened(value)}), not {expected}"
            found.append(Finding(field, problem, f"Make it {expected}."))
    return found


def _path(prefix: str, location: tuple[int | str, ...]) -> str:
    path = prefix
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else (f".{step}" if path else step)
    return path
