"""Where cards lie: files anywhere, and the characters that come with Ruxi."""

from __future__ import annotations

from pathlib import Path

from ruxi.characters.faults import CardFaults, Finding
from ruxi.errors import CardError

MAX_CARD_BYTES = 64 * 2**20
_BUILTIN = Path(__file__).parent / "builtin"


def builtin_names() -> list[str]:
    """Names of the characters that come with Ruxi, for `Character.load`."""
    return sorted(path.stem for path in _BUILTIN.glob("*.png"))


def locate(card: str | Path) -> Path:
    """The file behind a path or a built-in name; a file of that name goes first.

    Raises:
        CardError: There is neither a file nor a built-in of that name.
    """
    path = Path(card)
    if path.is_file():
        return path
    if str(card) in builtin_names():
        return _BUILTIN / f"{card}.png"
    problem = "is not a file" if path.exists() else "no such file or character"
    raise CardError(
        problem,
        where=str(card),
        remedy=f"Give a card file (.png, .json), or one of: {', '.join(builtin_names())}.",
    )


def read_file(path: Path) -> bytes:
    """A card file's content.

    Raises:
        CardFaults: The file cannot be read or is larger than `MAX_CARD_BYTES`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CARD_BYTES + 1)
    except OSError as error:
        raise CardFaults([Finding("", f"cannot be read ({error.strerror})", "Check the file.")]) from error
    if len(data) > MAX_CARD_BYTES:
        limit = f"is larger than {MAX_CARD_BYTES // 2**20} MiB"
        raise CardFaults([Finding("", limit, "Make its portrait smaller.")])
    return data
