"""Tasks for people: one turn with what came before it, and the questions about it.

A task's key is made of the data alone, so that the same export made twice gives the same tasks. What annotators must
not see (the right answers of gold tasks, which reply stands first) is kept in the manifest, never in the task.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from pydantic import BaseModel, Field

from ruxi.dialogues.annotation.items import said_in
from ruxi.dialogues.crowd.questions import BETTER_REPLY, EMOTION, INTENT, Question
from ruxi.dialogues.schema import Dialogue, Turn
from ruxi.files import sha256_of_bytes

Form = Literal["text", "image", "audio", "image+audio"]
CONTEXT = 8


class Line(BaseModel):
    """A line as people see it."""

    speaker: str
    text: str


class Task(BaseModel):
    """One task.

    Attributes:
        key: Its name in results.
        dialogue: Id of the dialogue.
        turn: Index of the turn that is judged.
        persona: Who the speaker is, for judging the role.
        lines: The turns before it and the turn itself, or only those before it when replies are compared.
        replies: Two replies to compare, in the order in which they are shown; none otherwise.
        first_is_original: Whether the reply shown first is the one of the data set.
        images: SHA-256 of the pictures of these turns, oldest first.
        audio: SHA-256 of the sound of the judged turn, or of the last one before it.
        questions: Names of the questions.
        gold: Right answers by question, for a task that checks the annotators.
    """

    key: str
    dialogue: str
    turn: int
    persona: str = ""
    lines: list[Line]
    replies: list[str] = Field(default_factory=list)
    first_is_original: bool = True
    images: list[str] = Field(default_factory=list)
    audio: str | None = None
    questions: list[str]
    gold: dict[str, str] = Field(default_factory=dict)

    @property
    def form(self) -> Form:
        """What the task shows; tasks of one form share a layout."""
        if self.images:
            return "image+audio" if self.audio else "image"
        return "audio" if self.audio else "text"


def tasks_of(
    dialogues: Iterable[Dialogue],
    questions: list[Question],
    *,
    most: int | None = None,
    gold: int = 0,
    replies: Mapping[tuple[str, int], str] | None = None,
    personas: Mapping[str, str] | None = None,
    seed: int = 0,
) -> list[Task]:
    """Choose turns and make tasks of them.

    Args:
        dialogues: Where the turns come from.
        questions: What is asked about each.
        most: Tasks to make; a fair sample of the turns. None for all.
        gold: How many further tasks check the annotators: turns whose emotion or intent is known.
        replies: Another reply to compare with the data set's own, by dialogue id and turn; also taken from a turn's
            `alternatives`.
        personas: What to show about a character, by the name in the cast.
        seed: Another seed draws another sample.
    """
    labels = [question for question in questions if question is not BETTER_REPLY]
    chosen: list[Task] = []
    golden: list[Task] = []
    for dialogue in dialogues:
        kinds = {member.name: member.kind for member in dialogue.cast}
        for index, turn in enumerate(dialogue.turns):
            if not said_in(turn).strip() or kinds.get(turn.speaker) == "narrator":
                continue
            persona = (personas or {}).get(turn.speaker, "")
            if labels:
                chosen.append(_task(dialogue, index, persona, [question.name for question in labels]))
                right = _known(turn, labels)
                if gold and right:
                    names = [question.name for question in labels]
                    golden.append(_task(dialogue, index, persona, names).model_copy(update={"gold": right}))
            other = (replies or {}).get((dialogue.id, index)) or next(iter(turn.alternatives), None)
            if BETTER_REPLY in questions and other and other.strip() != said_in(turn).strip():
                chosen.append(_comparison(dialogue, index, persona, other))
    draw = random.Random(seed)
    golden = draw.sample(golden, min(gold, len(golden)))
    taken = {task.key for task in golden}
    chosen = [task for task in chosen if task.key not in taken]
    if most is not None and most < len(chosen):
        chosen = draw.sample(chosen, most)
    everything = chosen + golden
    draw.shuffle(everything)  # A gold task must not be known by its place.
    return everything


def _task(dialogue: Dialogue, index: int, persona: str, names: list[str]) -> Task:
    shown = dialogue.turns[max(0, index - CONTEXT) : index + 1]
    return Task(
        key=_key(dialogue.id, index, "labels"),
        dialogue=dialogue.id,
        turn=index,
        persona=persona,
        lines=list(_lines(shown)),
        images=_media(shown, "image")[-4:],
        audio=next(iter(_media(shown[-1:], "audio")), None),
        questions=names,
    )


def _comparison(dialogue: Dialogue, index: int, persona: str, other: str) -> Task:
    before = dialogue.turns[max(0, index - CONTEXT) : index]
    key = _key(dialogue.id, index, other)
    own = said_in(dialogue.turns[index])
    # Which one stands first is drawn by the key: people prefer the first, so each kind must stand there equally often.
    first_is_original = int(key[:8], 16) % 2 == 0
    return Task(
        key=key,
        dialogue=dialogue.id,
        turn=index,
        persona=persona,
        lines=list(_lines(before)),
        replies=[own, other] if first_is_original else [other, own],
        first_is_original=first_is_original,
        images=_media(before, "image")[-4:],
        audio=next(iter(_media(before[-1:], "audio")), None),
        questions=[BETTER_REPLY.name],
    )


def _key(dialogue: str, turn: int, kind: str) -> str:
    return sha256_of_bytes(repr((dialogue, turn, kind)).encode("utf-8", "surrogatepass"))[:20]


def _lines(turns: Iterable[Turn]) -> Iterator[Line]:
    for turn in turns:
        text = said_in(turn)
        action = f" [{turn.action}]" if turn.action else ""
        yield Line(speaker=turn.speaker, text=(text + action).strip() or "…")


def _media(turns: Iterable[Turn], kind: str) -> list[str]:
    return [part.media for turn in turns for part in turn.parts if part.kind == kind and part.media is not None]


def _known(turn: Turn, questions: list[Question]) -> dict[str, str]:
    given = {EMOTION.name: turn.emotion, INTENT.name: turn.intent}
    return {
        question.name: label
        for question in questions
        if (label := given.get(question.name)) in question.choices and label
    }
