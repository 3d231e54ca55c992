"""What alignment needs from a speech recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ruxi.dialogues.schema import Word
from ruxi.media import Audio


class Transcriber(Protocol):
    """Hears words with their times.

    Attributes:
        name: What reports call it.
    """

    name: str

    def words(self, sound: Audio) -> Sequence[Word]:
        """The words of a sound in order, in seconds from its own start."""
        ...
