"""Patterns of personal data in what is said: addresses and numbers, each with the check that its kind allows.

A pattern is only a hint of a person: an invented telephone number in a novel matches as well. Card numbers must pass
Luhn's check (ISO/IEC 7812-1), IBANs theirs (ISO 13616, modulo 97), Chinese resident ids theirs (GB 11643, modulo 11).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, NamedTuple

from ruxi.dialogues.checks.fault import Checked, Fault


class Found(NamedTuple):
    """Personal data in a text: its kind and where it stands."""

    kind: str
    start: int
    end: int


def _luhn(text: str) -> bool:
    digits = [int(digit) for digit in text if digit.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    total = sum(digits[-1::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return total % 10 == 0


def _iban(text: str) -> bool:
    compact = re.sub(r"[ \-]", "", text).upper()
    rearranged = compact[4:] + compact[:4]
    return 15 <= len(compact) <= 34 and int("".join(str(int(sign, 36)) for sign in rearranged)) % 97 == 1


def _resident_id(text: str) -> bool:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[sum(int(d) * w for d, w in zip(text[:17], weights, strict=True)) % 11] == text[17].upper()


def _address(text: str) -> bool:
    """Whether it is an internet address of a machine somewhere, not of this one and not a range's name."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast)


def _telephone(text: str) -> bool:
    return 8 <= sum(sign.isdigit() for sign in text) <= 15


def _always(_: str) -> bool:
    return True


_KINDS: tuple[tuple[str, str, re.Pattern[str], Callable[[str], bool]], ...] = tuple(
    (kind, needs, re.compile(pattern), check)
    for kind, needs, pattern, check in (
        (
            "e-mail address", "@",
            r"(?<![\w.+%-])[\w+%-][\w.+%-]{0,63}@(?:[\w](?:[\w-]{0,61}[\w])?\.){1,8}[^\W\d_]{2,24}(?![\w-])", _always,
        ),
        ("IBAN", "", r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?(?!\w)", _iban),
        ("card number", "", r"(?<![\d.,-])\d(?:[ -]?\d){12,18}(?![\d-]|[.,]\d)", _luhn),
        (
            "Chinese resident id", "",
            r"(?<!\d)[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\w)", _resident_id,
        ),
        ("US social security number", "-", r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])", _always),
        ("IP address", ".", r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)", _address),
        ("IP address", ":", r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])", _address),
        (
            "telephone number", "+",
            r"(?<![\w+])\+\d{1,3}[ .\-]?(?:\(?\d{1,4}\)?[ .\-]?){2,5}(?<=\d)(?!\d)", _telephone,
        ),
        ("telephone number", "", r"(?<![\w.(-])\(?[2-9]\d\d\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])", _telephone),
        ("telephone number", "1", r"(?<![\d.,-])1[3-9]\d(?:[ -]?\d{4}){2}(?![\d-]|[.,]\d)", _telephone),
    )
)  # fmt: skip
_DIGIT = re.compile(r"\d")


def find_personal_data(text: str) -> Iterator[Found]:
    """Personal data in a text, in the order in which they stand, none inside another."""
    has_digits = _DIGIT.search(text) is not None
    found: list[Found] = []
    for kind, needs, pattern, is_valid in _KINDS:
        if (needs and needs not in text) or not (has_digits or needs == "@"):
            continue
        for match in pattern.finditer(text):
            start, end = match.span()
            if is_valid(match.group()) and not any(start < other.end and other.start < end for other in found):
                found.append(Found(kind, start, end))
    yield from sorted(found, key=lambda item: item.start)


def mask_personal_data(text: str) -> str:
    """The text with `[e-mail address]` and the like in the place of personal data."""
    pieces, last = [], 0
    for kind, start, end in find_personal_data(text):
        pieces += [text[last:start], f"[{kind}]"]
        last = end
    return "".join([*pieces, text[last:]])


class PersonalDataCheck:
    """Reports patterns of personal data in texts and transcripts, without repeating them in full."""

    name: ClassVar[str] = "personal_data"

    def look(self, record: Checked) -> Iterable[Fault]:
        """Personal data in one dialogue."""
        for index, turn in enumerate(record.dialogue.turns):
            for number, part in enumerate(turn.parts):
                if not part.text:
                    continue
                for kind, start, end in find_personal_data(part.text):
                    yield Fault(
                        self.name,
                        "warning",
                        f"{_article(kind)} at character {start}: {_hidden(part.text[start:end])}",
                        "Take it out, or let `--fix --also personal_data` put a placeholder in its place.",
                        turn=index,
                        part=number,
                        repair="mask",
                        safe=False,
                    )

    def finish(self) -> Iterable[Fault]:
        """Nothing: every pattern shows in its own dialogue."""
        return ()


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'eI' else 'a'} {kind}"


def _hidden(text: str) -> str:
    """The first and last characters only: a report may travel further than the data."""
    return text[:2] + "…" + text[-2:]
