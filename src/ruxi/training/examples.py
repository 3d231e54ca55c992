"""Training examples: dialogues as the prompt builder lays them out, with their labels.

One dialogue gives one example for each of its characters. An example refers to features by content hash; the cache
holds them, so that examples stay small and a data set of any size fits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt

from ruxi.characters import Character
from ruxi.dialogues import Dialogue, Part, Turn
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import DataError
from ruxi.features import FeatureSequence
from ruxi.prompt import Prompt, PromptBuilder
from ruxi.training.recipe import DataSource, SequenceSettings

NO_LABEL = -100

Lookup = Callable[[Part], FeatureSequence | None]
"""Features of a part's medium, or None when there are none."""


@dataclass(frozen=True)
class Medium:
    """A medium of an example.

    Attributes:
        kind: `image`, `audio` or `video`.
        media: SHA-256 of its bytes.
        turn: Turn in which it appears.
        says: A sentence about it: its caption or transcript; None without.
    """

    kind: str
    media: str
    turn: int
    says: str | None = None


@dataclass(frozen=True)
class TurnLabels:
    """What is known of one turn.

    Attributes:
        turn: Its index.
        position: Position of its last token.
        emotion: Index of its emotion, or `NO_LABEL`.
        intent: Index of its intent, or `NO_LABEL`.
        is_reply: Whether the character speaks it.
    """

    turn: int
    position: int
    emotion: int
    intent: int
    is_reply: bool


@dataclass(frozen=True)
class Example:
    """A dialogue ready to be packed.

    Attributes:
        id: Dialogue and character.
        group: What cross-validation keeps together.
        input_ids: int32 `[n]`.
        turn_ids: int32 `[n]`.
        targets: True for tokens to be learnt, bool `[n]`.
        media: Its media.
        turns: Its turns' labels.
    """

    id: str
    group: str
    input_ids: npt.NDArray[np.int32]
    turn_ids: npt.NDArray[np.int32]
    targets: npt.NDArray[np.bool_]
    media: tuple[Medium, ...]
    turns: tuple[TurnLabels, ...]

    def __len__(self) -> int:
        return len(self.input_ids)


def selected(data: DialogueSet, source: DataSource, split: str) -> Iterator[Dialogue]:
    """The dialogues of one split that a recipe takes, in the set's order."""
    mine = (d for d in data if d.split == split and (not source.languages or d.language in source.languages))
    return islice(mine, source.limit)


class ExampleBuilder:
    """Makes examples of dialogues.

    Args:
        prompts: The prompt builder of the base model.
        sequence: Lengths.
        emotions: Labels of the emotion head, in order.
        intents: Labels of the intent head, in order.
        lookup: Features of a part, for the labels and transcripts that stand in the text.
    """

    def __init__(
        self,
        prompts: PromptBuilder,
        sequence: SequenceSettings,
        *,
        emotions: Iterable[str] = (),
        intents: Iterable[str] = (),
        lookup: Lookup = lambda part: None,
    ) -> None:
        options = {"context_length": sequence.length, "persona_tokens": sequence.persona_tokens}
        self._described = prompts.with_options(**options, describe_media=True)
        self._plain = prompts.with_options(**options, describe_media=False)
        self._emotions = {label: index for index, label in enumerate(emotions)}
        self._intents = {label: index for index, label in enumerate(intents)}
        self._lookup = lookup

    def of_set(self, data: DialogueSet, source: DataSource, split: Literal["train", "validation"]) -> Iterator[Example]:
        """The examples of one split of a data set, in its order.

        Raises:
            DataError: A dialogue is malformed.
        """
        characters: dict[str, Character] = {}
        for dialogue in selected(data, source, split):
            yield from self.of_dialogue(dialogue, data, source, characters)

    def of_dialogue(
        self, dialogue: Dialogue, data: DialogueSet, source: DataSource, characters: dict[str, Character]
    ) -> Iterator[Example]:
        """One example for each character whose words are to be learnt; dialogues that do not fit are left out."""
        described = _share(dialogue.id) < source.describe_media
        if described:
            dialogue = self._with_findings(dialogue)
        builder = self._described if described else self._plain
        for name, character_id in _speakers(dialogue, source.speakers):
            if character_id is not None and character_id not in characters:
                characters[character_id] = data.character(character_id)
            character = characters[character_id] if character_id is not None else Character(name=name)
            targets: Literal["all", "none"] = "none" if source.speakers == "none" else "all"
            try:
                prompt = builder.build(character, dialogue, speaker=name, reply=False, targets=targets)
            except DataError:
                continue
            example = self._example(prompt, dialogue, name)
            if example.targets.any() or any(t.emotion >= 0 or t.intent >= 0 for t in example.turns):
                yield example

    def _example(self, prompt: Prompt, dialogue: Dialogue, speaker: str) -> Example:
        turn_ids = np.asarray(prompt.turn_ids, dtype=np.int32)
        ends = {int(turn): int(np.flatnonzero(turn_ids == turn)[-1]) for turn in np.unique(turn_ids) if turn >= 0}
        return Example(
            id=f"{dialogue.id}/{speaker}",
            group=dialogue.id,
            input_ids=np.asarray(prompt.input_ids, dtype=np.int32),
            turn_ids=turn_ids,
            targets=np.asarray(prompt.loss_mask, dtype=np.bool_),
            media=tuple(
                Medium(slot.kind, slot.media, slot.turn, slot.part.text or _caption(dialogue, slot.turn, slot.part))
                for slot in prompt.slots
            ),
            turns=tuple(
                TurnLabels(
                    index,
                    ends[index],
                    self._emotions.get(turn.emotion or "", NO_LABEL),
                    self._intents.get(turn.intent or "", NO_LABEL),
                    turn.speaker == speaker,
                )
                for index, turn in enumerate(dialogue.turns)
                if index in ends
            ),
        )

    def _with_findings(self, dialogue: Dialogue) -> Dialogue:
        """The dialogue with what the extractors recognised written on its parts, as on stage."""
        turns = []
        for turn in dialogue.turns:
            parts = [self._with_finding(part) for part in turn.parts]
            turns.append(turn.model_copy(update={"parts": parts}))
        return dialogue.model_copy(update={"turns": turns})

    def _with_finding(self, part: Part) -> Part:
        if part.kind == "text":
            return part
        found = self._lookup(part) if part.media is not None else None
        # A label of the data set is what is to be learnt; on stage only an extractor's findings are there to read.
        labels = list(found.labels) if found is not None and part.kind == "image" else []
        text = part.text if part.kind == "image" or found is None else part.text or found.text
        return part.model_copy(update={"labels": labels, "text": text})


def _speakers(dialogue: Dialogue, speakers: str) -> list[tuple[str, str | None]]:
    """Names whose view of the dialogue is learnt, with their character files."""
    spoke = dict.fromkeys(turn.speaker for turn in dialogue.turns)
    known = {member.name: member for member in dialogue.cast}
    if speakers == "characters":
        cast = [m for m in dialogue.cast if m.kind == "character" and m.name in spoke]
        return [(member.name, member.character) for member in cast]
    if speakers == "all":
        return [(name, known[name].character if name in known else None) for name in spoke]
    return [("Listener", None)]


def _caption(dialogue: Dialogue, turn: int, part: Part) -> str | None:
    """What a character answers to a picture that is shown alone, as caption data sets are laid out."""
    following = dialogue.turns[turn + 1] if turn + 1 < len(dialogue.turns) else None
    shown: Turn = dialogue.turns[turn]
    if part.kind != "image" or following is None or len(dialogue.turns) > 2 or len(shown.parts) > 2:
        return None
    return following.text or None


def _share(identifier: str) -> float:
    """A number in [0, 1) that depends on the identifier alone."""
    return int.from_bytes(hashlib.blake2b(identifier.encode(), digest_size=4).digest(), "big") / 2**32
