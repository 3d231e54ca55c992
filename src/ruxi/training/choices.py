"""Replies to choose from: the true one and others that stand elsewhere in the data.

The others are what other roles say, or what the same role says in other dialogues. They are good replies, only not
here: what tells them apart is what the role is, what was said, and what is seen. All are drawn by the dialogue's id.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from ruxi.characters import Character
from ruxi.dialogues import CastMember, Dialogue, Turn
from ruxi.training.repertoire import Repertoire, Said, Speakers, reply_turns
from ruxi.training.settings import ChoiceKind

_DRAWS = 8
"""Draws for each wrong reply; some fall on the same dialogue, or on the same words."""


@dataclass(frozen=True)
class ReplyChoice:
    """A reply among others.

    Attributes:
        dialogue: Ends with the true reply.
        speaker: Who replies.
        character: The speaker's character file, or a card that was made for this choice.
        others: What else could be said, and is wrong here.
        spoken: Whether the true reply is somebody's own; one that was made is to be found, not to be learnt as a reply.
    """

    dialogue: Dialogue
    speaker: str
    character: Character | str | None
    others: tuple[str, ...]
    spoken: bool = True


def question_to(role: str, asked: str, answer: str, *, met: Dialogue, identifier: str) -> Dialogue:
    """A dialogue made for a choice: the user asks a role of another dialogue, in English, and the role answers."""
    cast = [CastMember(name="User", kind="user"), CastMember(name=role)]
    turns = [Turn.of_text("User", asked), Turn.of_text(role, answer)]
    return Dialogue(id=identifier, cast=cast, turns=turns, group=met.group or met.id, language="en")


class ChoiceMaker:
    """Makes choices of the dialogues of one split: one for each dialogue and speaker, of a reply drawn among theirs.

    Args:
        dialogues: The dialogues; the wrong replies are taken from them as well.
        speakers: Whose replies are learnt.
        kinds: Whose words the wrong replies are, in turn.
        candidates: Replies to choose from, the true one among them.
    """

    def __init__(
        self, dialogues: Sequence[Dialogue], speakers: Speakers, kinds: Sequence[ChoiceKind], candidates: int
    ) -> None:
        self._dialogues = dialogues
        self._speakers = speakers
        self._kinds = list(islice(cycle(kinds), candidates - 1))
        self._repertoire = Repertoire(dialogues, speakers)

    def made(self) -> Iterator[ReplyChoice]:
        """The choices; a dialogue for which there are too few other replies is passed over."""
        for dialogue in self._dialogues:
            for speaker, character in self._speakers(dialogue):
                turns = reply_turns(dialogue, speaker)
                if not turns:
                    continue
                rng = random.Random(f"{dialogue.id}/{speaker}/choice")
                turn = rng.choice(turns)
                others = self._others(dialogue, turn, rng)
                if others is not None:
                    ending = dialogue.model_copy(update={"turns": dialogue.turns[: turn + 1]})
                    yield ReplyChoice(ending, speaker, character, others)

    def _others(self, dialogue: Dialogue, turn: int, rng: random.Random) -> tuple[str, ...] | None:
        own = Said(dialogue, turn)
        taken = {own.text}
        found = []
        for kind in self._kinds:
            # Where a role has said too little elsewhere, other roles must do.
            drawn = (self._drawn(other, own, taken, rng) for other in dict.fromkeys((kind, *self._kinds)))
            text = next((text for text in drawn if text is not None), None)
            if text is None:
                return None
            taken.add(text)
            found.append(text)
        return tuple(found)

    def _drawn(self, kind: ChoiceKind, own: Said, taken: set[str], rng: random.Random) -> str | None:
        said, same = self._repertoire.said, kind == "same_role"
        numbers: Sequence[int] = self._repertoire.by_role[own.speaker] if same else range(len(said))
        for _ in range(_DRAWS * len(self._kinds)):
            other = said[rng.choice(numbers)]
            elsewhere = (other.dialogue.group or other.dialogue.id) != (own.dialogue.group or own.dialogue.id)
            fits = elsewhere and other.dialogue.language == own.dialogue.language
            if fits and (other.speaker == own.speaker) == same and other.text not in taken:
                return other.text
        return None
