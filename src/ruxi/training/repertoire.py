"""What the roles of a data set say, from which wrong replies are drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ruxi.dialogues import Dialogue

Speakers = Callable[[Dialogue], list[tuple[str, str | None]]]
"""Names of those whose replies are learnt, with their character files."""


@dataclass(frozen=True)
class Said:
    """A reply and where it stands.

    Attributes:
        dialogue: The dialogue.
        turn: Index of the reply.
    """

    dialogue: Dialogue
    turn: int

    @property
    def speaker(self) -> str:
        """Who says it."""
        return self.dialogue.turns[self.turn].speaker

    @property
    def text(self) -> str:
        """Its words."""
        return self.dialogue.turns[self.turn].text


class Repertoire:
    """The replies of some dialogues.

    Args:
        dialogues: The dialogues.
        speakers: Whose replies are taken.

    Attributes:
        said: All replies in words, in order.
        by_role: Numbers of the replies of each speaker.
    """

    def __init__(self, dialogues: Sequence[Dialogue], speakers: Speakers) -> None:
        self.said: list[Said] = []
        self.by_role: dict[str, list[int]] = defaultdict(list)
        for dialogue in dialogues:
            for turn in reply_turns(dialogue, *(name for name, _ in speakers(dialogue))):
                said = Said(dialogue, turn)
                self.by_role[said.speaker].append(len(self.said))
                self.said.append(said)


def reply_turns(dialogue: Dialogue, *speakers: str) -> list[int]:
    """The turns in which one of some speakers answers in words."""
    return [n for n, turn in enumerate(dialogue.turns) if n > 0 and turn.speaker in speakers and turn.text.strip()]
