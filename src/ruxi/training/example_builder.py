"""From dialogues to training examples, laid out by the prompt builder as on stage.

One dialogue gives one example for each of its characters, or a pair, or a choice, where the recipe asks for these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from heapq import nsmallest
from itertools import chain, zip_longest
from typing import Literal, TypeVar

import numpy as np

from ruxi.characters import Character
from ruxi.dialogues import Dialogue, Part, Turn
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import DataError
from ruxi.features import FeatureSequence
from ruxi.prompt import Prompt, PromptBuilder
from ruxi.training.choices import ChoiceMaker
from ruxi.training.examples import NO_LABEL, Example, Medium, Rejected, TurnLabels, Written
from ruxi.training.introductions import IntroductionMaker
from ruxi.training.pairs import PairMaker, ReplyPair, compared
from ruxi.training.settings import ChoiceSettings, DataSource, PairKind, SequenceSettings
from ruxi.training.speech import LISTENER, dictations, written_out
from ruxi.training.statements import StatementMaker

_BEARERS = {"image": "face", "audio": "voice", "video": "face"}
"""What shows the emotion of a turn that has one medium."""

_T = TypeVar("_T")

Lookup = Callable[[Part], FeatureSequence | None]
"""Features of a part's medium, or None when there are none."""


def selected(data: DialogueSet, source: DataSource, split: str) -> Iterator[Dialogue]:
    """The dialogues of one split that a recipe takes, in the set's order."""
    fitting = _fitting(data, source, split)
    if source.limit is None:
        return fitting
    drawn = nsmallest(source.limit, enumerate(fitting), key=lambda numbered: _share(numbered[1].id))
    return (dialogue for _, dialogue in sorted(drawn, key=lambda numbered: numbered[0]))


def _fitting(data: DialogueSet, source: DataSource, split: str) -> Iterator[Dialogue]:
    for dialogue in data:
        spoken = not source.languages or dialogue.language in source.languages
        shown = not source.with_media or any(part.media for turn in dialogue.turns for part in turn.parts)
        if dialogue.split == split and spoken and shown:
            yield dialogue


class ExampleBuilder:
    """Makes examples of dialogues.

    Args:
        prompts: The prompt builder of the base model.
        sequence: Lengths.
        emotions: Labels of the emotion head, in order.
        intents: Labels of the intent head, in order.
        lookup: Features of a part, for the labels and transcripts that stand in the text.
        choice: How many replies there are to choose from, and their lengths.
        write_speech: Whether examples with speech come with the same dialogue in writing.
    """

    def __init__(
        self,
        prompts: PromptBuilder,
        sequence: SequenceSettings,
        *,
        emotions: Iterable[str] = (),
        intents: Iterable[str] = (),
        lookup: Lookup = lambda part: None,
        choice: ChoiceSettings | None = None,
        write_speech: bool = False,
    ) -> None:
        options = {"context_length": sequence.length, "persona_tokens": sequence.persona_tokens}
        self._length = sequence.length
        self._choice = choice or ChoiceSettings()
        self._write_speech = write_speech
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
        dialogues = selected(data, source, split)
        if source.preferences:
            yield from self._pairs(list(dialogues), data, source, characters)
            return
        if source.choices:
            yield from self._choices(list(dialogues), data, source, characters)
            return
        for dialogue in dialogues:
            for one in dictations(dialogue) if source.speakers == "transcripts" else [dialogue]:
                yield from self.of_dialogue(one, data, source, characters)

    def of_dialogue(
        self, dialogue: Dialogue, data: DialogueSet, source: DataSource, characters: dict[str, Character]
    ) -> Iterator[Example]:
        """One example for each character whose words are to be learnt; dialogues that do not fit are left out."""
        described = self._is_described(dialogue, source)
        if described:
            dialogue = self._with_findings(dialogue)
        builder = self._described if described else self._plain
        for name, character_id in _speakers(dialogue, source.speakers):
            character = character_of(name, character_id, data, characters)
            targets: Literal["all", "none"] = "none" if source.speakers == "none" else "all"
            example = self._built(builder, character, dialogue, name, targets, alternatives=source.alternatives)
            if example is None:
                continue
            if self._write_speech and not described:
                example = self._with_writing(example, dialogue, character, name)
            if example.targets.any() or any(t.emotion >= 0 or t.intent >= 0 for t in example.turns):
                yield example

    def _is_described(self, dialogue: Dialogue, source: DataSource) -> bool:
        # What is to be written down must be heard.
        return source.speakers != "transcripts" and _share(dialogue.id) < source.describe_media

    def _built(
        self,
        builder: PromptBuilder,
        character: Character,
        dialogue: Dialogue,
        name: str,
        targets: Literal["all", "last", "none"],
        *,
        alternatives: bool = False,
    ) -> Example | None:
        """The example of a dialogue; None when it does not fit."""
        try:
            prompt = builder.build(character, dialogue, speaker=name, reply=False, targets=targets)
        except DataError:
            return None
        example = self._example(prompt, dialogue, name)
        learnt = np.flatnonzero(example.targets & (example.turn_ids == len(dialogue.turns) - 1))
        if not alternatives or not len(learnt):
            return example
        return self._with_alternatives(replace(example, fork=int(learnt[0])), builder, prompt, dialogue)

    def _with_alternatives(
        self, example: Example, builder: PromptBuilder, prompt: Prompt, dialogue: Dialogue, tokens: int | None = None
    ) -> Example:
        """The example with what is right as well at its end, each cut to so many tokens, as far as there is room."""
        room = self._length - len(example)
        found = []
        for text in dialogue.turns[-1].alternatives:
            said = builder.answered(prompt, text, tokens=tokens).input_ids[len(prompt.input_ids) :]
            if 1 < len(said) <= room:
                found.append(np.asarray(said, dtype=np.int32))
                room -= len(said)
        return replace(example, alternatives=tuple(found))

    def _with_writing(self, example: Example, dialogue: Dialogue, character: Character, name: str) -> Example:
        """The example with what it would be if everything that is played were written."""
        twin = written_out(dialogue, name, lambda part: self._with_finding(part).text)
        other = None if twin is None else self._built(self._plain, character, twin, name, "all")
        first = next((medium.turn for medium in example.media if medium.kind == "audio"), None)
        if other is None or first is None:
            return example
        common = set(example.turn_ids.tolist()) & set(other.turn_ids.tolist())
        learnt = [t.turn for t in example.turns if t.turn > first and t.turn in common]
        here, there = (np.flatnonzero(e.targets & np.isin(e.turn_ids, learnt)) - 1 for e in (example, other))
        return replace(example, written=Written(other, here, there)) if len(here) else example

    def _builders_of(self, context_length: int) -> dict[bool, PromptBuilder]:
        """Builders of shorter prompts, by whether media are described."""
        builders = {True: self._described, False: self._plain}
        return {key: builder.with_options(context_length=context_length) for key, builder in builders.items()}

    @cached_property
    def _pair_builders(self) -> dict[bool, PromptBuilder]:
        """Both replies of a pair must fit into one row."""
        return self._builders_of(self._length // 2)

    def _pairs(
        self, dialogues: list[Dialogue], data: DialogueSet, source: DataSource, characters: dict[str, Character]
    ) -> Iterator[Example]:
        """One example for each pair of replies, of all kinds that the source names."""
        speakers = partial(_speakers, speakers=source.speakers)
        maker = PairMaker(dialogues, speakers)
        of_kind: dict[PairKind, Callable[[], Iterator[ReplyPair]]] = {
            "rated": maker.rated,
            "compared": lambda: compared(data, dialogues, speakers),
        }
        made = [of_kind[k]() if k in of_kind else maker.made(k) for k in source.preferences]
        for pair in _in_turn(*made):
            character = character_of(pair.speaker, pair.character, data, characters)
            example = self._pair(pair, character, described=self._is_described(pair.better, source))
            if example is not None:
                yield example

    def _pair(self, pair: ReplyPair, character: Character, *, described: bool) -> Example | None:
        """The better reply's example with the worse one's; None when they do not fit or see different turns."""
        described &= pair.kind != "wrong_picture"
        sides = [self._with_findings(side) if described else side for side in (pair.better, pair.worse)]
        builder = self._pair_builders[described]
        better, worse = (self._built(builder, character, side, pair.speaker, "last") for side in sides)
        if better is None or worse is None:
            return None
        if set(better.turn_ids.tolist()) != set(worse.turn_ids.tolist()):
            return None
        if not (better.targets.any() and worse.targets.any()):
            return None
        return replace(better, id=f"{better.id}/{pair.kind}", rejected=Rejected(worse, pair.kind))

    def _choices(
        self, dialogues: list[Dialogue], data: DialogueSet, source: DataSource, characters: dict[str, Character]
    ) -> Iterator[Example]:
        """One example for each choice, in the very tokens in which it is made on stage."""
        settings = self._choice
        builders = self._builders_of(settings.context_tokens)
        speakers = partial(_speakers, speakers=source.speakers)
        made = []
        if quoted := [kind for kind in source.choices if kind in ("other_role", "same_role")]:
            made.append(ChoiceMaker(dialogues, speakers, quoted, settings.candidates).made())
        if "opposite" in source.choices:
            made.append(StatementMaker(dialogues, speakers, settings.candidates).made())
        if "name" in source.choices:
            made.append(IntroductionMaker(dialogues, speakers, settings.candidates).made())
        for choice in _in_turn(*made):
            character = choice.character
            if not isinstance(character, Character):
                character = character_of(choice.speaker, character, data, characters)
            described = self._is_described(choice.dialogue, source)
            dialogue = self._with_findings(choice.dialogue) if described else choice.dialogue
            builder = builders[described]
            before = dialogue.model_copy(update={"turns": dialogue.turns[:-1]})
            try:
                prompt = builder.build(character, before, speaker=choice.speaker)
            except DataError:
                continue
            texts = (dialogue.turns[-1].text, *choice.others)
            answered = [builder.answered(prompt, text, tokens=settings.reply_tokens) for text in texts]
            fork = len(prompt.input_ids)
            others = tuple(np.asarray(one.input_ids[fork:], dtype=np.int32) for one in answered[1:])
            example = self._example(answered[0], dialogue, choice.speaker)
            example = replace(example, targets=example.targets & choice.spoken, fork=fork, others=others)
            if source.alternatives:
                example = self._with_alternatives(example, builder, prompt, dialogue, settings.reply_tokens)
            yield example

    def _example(self, prompt: Prompt, dialogue: Dialogue, speaker: str) -> Example:
        turn_ids = np.asarray(prompt.turn_ids, dtype=np.int32)
        ends = {int(turn): int(np.flatnonzero(turn_ids == turn)[-1]) for turn in np.unique(turn_ids) if turn >= 0}
        return Example(
            id=f"{dialogue.id}/{speaker}",
            group=dialogue.group or dialogue.id,
            input_ids=np.asarray(prompt.input_ids, dtype=np.int32),
            turn_ids=turn_ids,
            targets=np.asarray(prompt.loss_mask, dtype=np.bool_),
            media=tuple(
                Medium(slot.kind, slot.media, slot.turn, _said_about(dialogue, slot.turn, slot.part))
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
    return [(LISTENER.name, None)]


def _said_about(dialogue: Dialogue, turn: int, part: Part) -> tuple[str, ...]:
    """A medium's own words, what it expresses, or what is answered to a picture that is shown alone, as a caption."""
    shown: Turn = dialogue.turns[turn]
    alone = [other.kind for other in shown.parts if other.kind != "text"] == [part.kind]
    mood = (f"A {_BEARERS[part.kind]} that expresses {shown.emotion}.",) if alone and shown.emotion else ()
    if part.text or mood:
        return (*((part.text,) if part.text else ()), *mood)
    following = dialogue.turns[turn + 1] if turn + 1 < len(dialogue.turns) else None
    if part.kind != "image" or following is None or len(dialogue.turns) > 2 or len(shown.parts) > 2:
        return ()
    return tuple(words for words in (following.text, *following.alternatives) if words)


def character_of(name: str, identifier: str | None, data: DialogueSet, known: dict[str, Character]) -> Character:
    """The card of a speaker, read once; one without a card has only a name."""
    if identifier is None:
        return LISTENER if name == LISTENER.name else Character(name=name)
    if identifier not in known:
        known[identifier] = data.character(identifier)
    return known[identifier]


def _in_turn(*series: Iterator[_T]) -> Iterator[_T]:
    """All items, one of each series in turn, so that the first so many are of every kind."""
    return (item for item in chain.from_iterable(zip_longest(*series)) if item is not None)


def _share(identifier: str) -> float:
    """A number in [0, 1) that depends on the identifier alone."""
    return int.from_bytes(hashlib.blake2b(identifier.encode(), digest_size=4).digest(), "big") / 2**32
