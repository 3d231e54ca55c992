"""Pairs of a better and a worse reply, for preference learning.

Two kinds come from people or judges: `rated` replies to the same dialogue, and `compared` replies (a file
`preferences.jsonl` in the data set, as `ruxi data crowd` writes it). Three kinds are made from the dialogues
themselves, each with one fault that its name says, so that what is learnt can be measured apart:

- `out_of_character`: what another character says, to the same picture where there is such a reply;
- `speaks_for_user`: the true reply, which then goes on with words of the user;
- `wrong_picture`: the true reply, with another picture in the place of the one that it was given to.

All choices are drawn by the dialogue's id, so that the pairs of a data set are always the same.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from ruxi.dialogues import Dialogue, Part, Turn
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import DataError
from ruxi.training.repertoire import Repertoire, Speakers, reply_turns
from ruxi.training.settings import PairKind

PAIR_KINDS: tuple[PairKind, ...] = get_args(PairKind)

PREFERENCES = "preferences.jsonl"
_LEAST_MARGIN = 0.1
_CANDIDATES = 16
"""Replies among which the one of the most similar length is taken."""


@dataclass(frozen=True)
class ReplyPair:
    """Two dialogues that differ in one thing.

    Attributes:
        kind: What is wrong with the worse one.
        speaker: Whose reply it is.
        character: The speaker's character file.
        better: Ends with the better reply.
        worse: Ends with the worse reply.
    """

    kind: PairKind
    speaker: str
    character: str | None
    better: Dialogue
    worse: Dialogue


class PairMaker:
    """Makes pairs of the dialogues of one split.

    Args:
        dialogues: The dialogues; other characters' replies and other pictures are taken from them as well.
        speakers: Whose replies are learnt.
    """

    def __init__(self, dialogues: Sequence[Dialogue], speakers: Speakers) -> None:
        self._dialogues = dialogues
        self._speakers = speakers
        self._said = Repertoire(dialogues, speakers).said
        self._said_about: dict[str, list[int]] = defaultdict(list)
        self._said_by_others: dict[str | None, list[str]] = defaultdict(list)
        self._pictures: list[Part] = []
        for dialogue in dialogues:
            self._collect(dialogue)
        for number, said in enumerate(self._said):
            for picture in _names_of_pictures(said.dialogue, said.turn):
                self._said_about[picture].append(number)

    def made(self, kind: PairKind) -> Iterator[ReplyPair]:
        """The pairs of one of the three kinds that are made; a dialogue that cannot give one is passed over."""
        corrupt = {
            "out_of_character": self._out_of_character,
            "speaks_for_user": self._speaks_for_user,
            "wrong_picture": self._wrong_picture,
        }[kind]
        for dialogue in self._dialogues:
            for speaker, character in self._speakers(dialogue):
                rng = random.Random(f"{dialogue.id}/{speaker}/{kind}")
                turns = reply_turns(dialogue, speaker)
                if kind == "wrong_picture":
                    turns = [turn for turn in turns if _pictures_before(dialogue, turn)][:1]
                if not turns:
                    continue
                turn = rng.choice(turns)
                better = dialogue.model_copy(update={"turns": dialogue.turns[: turn + 1]})
                worse = corrupt(dialogue, turn, rng)
                if worse is not None:
                    yield ReplyPair(kind, speaker, character, better, worse)

    def rated(self) -> Iterator[ReplyPair]:
        """The best-rated reply to a dialogue with each that is clearly worse."""
        rivals: dict[str, list[Dialogue]] = defaultdict(list)
        for dialogue in self._dialogues:
            if dialogue.turns and dialogue.turns[-1].rating is not None:
                before = [turn.to_json() for turn in dialogue.turns[:-1]]
                rivals[json.dumps([before, dialogue.turns[-1].speaker])].append(dialogue)
        for several in rivals.values():
            ranked = sorted(several, key=lambda d: (-(d.turns[-1].rating or 0.0), d.id))
            best, speaker = ranked[0], ranked[0].turns[-1].speaker
            character = dict(self._speakers(best)).get(speaker)
            for other in ranked[1:]:
                if (best.turns[-1].rating or 0.0) - (other.turns[-1].rating or 0.0) >= _LEAST_MARGIN:
                    yield ReplyPair("rated", speaker, character, best, other)

    def _collect(self, dialogue: Dialogue) -> None:
        own = {name for name, _ in self._speakers(dialogue)}
        for turn in dialogue.turns:
            self._pictures += _pictures(turn)
            if turn.text.strip() and turn.speaker not in own:
                self._said_by_others[dialogue.language].append(turn.text)

    def _out_of_character(self, dialogue: Dialogue, turn: int, rng: random.Random) -> Dialogue | None:
        own = dialogue.turns[turn]

        def others(numbers: Sequence[int]) -> list[str]:
            said = [self._said[number] for number in numbers]
            return [s.text for s in said if s.speaker != own.speaker and s.dialogue.language == dialogue.language]

        same = [number for picture in _names_of_pictures(dialogue, turn) for number in self._said_about[picture]]
        found = others(same) or others(rng.sample(range(len(self._said)), min(len(self._said), 4 * _CANDIDATES)))
        if not found:
            return None
        candidates = rng.sample(found, min(len(found), _CANDIDATES))
        return _ending(dialogue, turn, min(candidates, key=lambda text: abs(len(text) - len(own.text))))

    def _speaks_for_user(self, dialogue: Dialogue, turn: int, rng: random.Random) -> Dialogue | None:
        own = dialogue.turns[turn]
        following = dialogue.turns[turn + 1] if turn + 1 < len(dialogue.turns) else None
        if following is not None and following.speaker != own.speaker and following.text.strip():
            name, words = following.speaker, following.text
        else:
            names = [t.speaker for t in dialogue.turns[:turn] if t.speaker != own.speaker]
            said = self._said_by_others[dialogue.language]
            if not names or not said:
                return None
            name, words = names[-1], rng.choice(said)
        return _ending(dialogue, turn, f"{own.text}\n{name}: {words}")

    def _wrong_picture(self, dialogue: Dialogue, turn: int, rng: random.Random) -> Dialogue | None:
        shown = {picture.media for picture in _pictures_before(dialogue, turn)}
        others = [picture for picture in self._pictures if picture.media not in shown]
        if not others:
            return None
        other = rng.choice(others)
        turns = []
        for one in dialogue.turns[: turn + 1]:
            parts = [other if part in _pictures(one) else part for part in one.parts]
            turns.append(one.model_copy(update={"parts": parts}))
        return dialogue.model_copy(update={"turns": turns})


def compared(data: DialogueSet, dialogues: Sequence[Dialogue], speakers: Speakers) -> Iterator[ReplyPair]:
    """The pairs in a data set's `preferences.jsonl` that belong to some of its dialogues.

    Raises:
        DataError: The file is missing, or a line of it cannot be read.
    """
    path = data.path / PREFERENCES
    known = {dialogue.id: dialogue for dialogue in dialogues}
    for number, line in enumerate(_lines(path), 1):
        try:
            pair = json.loads(line)
            before = Dialogue.model_validate(pair["prompt"])
            speaker, chosen, rejected = (str(pair[name]) for name in ("speaker", "chosen", "rejected"))
        except (ValueError, KeyError, TypeError) as error:
            problem = f"no pair of replies ({error})".splitlines()[0]
            raise DataError(problem, where=f"{path}:{number}", remedy="Correct the line or delete it.") from error
        if before.id in known:
            character = dict(speakers(known[before.id])).get(speaker)
            better, worse = (
                before.model_copy(update={"turns": [*before.turns, Turn.of_text(speaker, text)]})
                for text in (chosen, rejected)
            )
            yield ReplyPair("compared", speaker, character, better, worse)


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror})",
            where=str(path),
            remedy="Make it with `ruxi data crowd import`, or leave 'compared' out of the recipe's preferences.",
        ) from error


def _ending(dialogue: Dialogue, turn: int, words: str) -> Dialogue:
    """The dialogue up to a turn that says something else; its emotion stays, so that it cannot give the reply away."""
    own = dialogue.turns[turn]
    other = own.model_copy(update={"parts": [Part(kind="text", text=words)], "action": None})
    return dialogue.model_copy(update={"turns": [*dialogue.turns[:turn], other]})


def _pictures(turn: Turn) -> list[Part]:
    return [part for part in turn.parts if part.kind == "image" and part.media is not None]


def _names_of_pictures(dialogue: Dialogue, turn: int) -> list[str]:
    """What tells the pictures before a turn from others, those that are known but absent as well."""
    parts = [part for one in dialogue.turns[:turn] for part in one.parts if part.kind == "image"]
    return [name for part in parts if (name := part.media or part.name)]


def _pictures_before(dialogue: Dialogue, turn: int) -> list[Part]:
    return [picture for one in dialogue.turns[:turn] for picture in _pictures(one)]
