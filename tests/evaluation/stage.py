"""A small data set and models whose ability is known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ruxi.characters import Character
from ruxi.dialogues import CastMember, DatasetWriter, Dialogue, Label, Part, Turn
from ruxi.evaluation import EvaluationData, Player
from ruxi.features import FeatureCache, FeatureSequence
from ruxi.prompt import Prompt
from ruxi.runtime import Delta, Feelings, Media, Sampling
from ruxi.scene.perception import Perception
from tests.scripted import ScriptedEngine
from tests.senses import png, senses

COLOURS = {"red": (220, 20, 20), "green": (20, 220, 20), "blue": (20, 20, 220)}
SKIES = {"cloudy": (20, 20, 220), "rain": (20, 220, 20), "shine": (220, 20, 20), "sunrise": (220, 20, 20)}
ROLES = ("Mira", "Bo", "Ana")


def answer(role: str, number: int) -> str:
    return f"{role} answers number {number} with words of her own."


def write_set(
    folder: Path,
    *,
    dialogues: int = 12,
    name: str = "stage",
    long: bool = False,
    pictures: bool = True,
    split: Literal["train", "test"] = "test",
) -> EvaluationData:
    """Dialogues of three roles; each begins with a picture of one colour and ends with a reply of its own.

    Args:
        folder: Where to.
        dialogues: How many.
        name: The set's name.
        long: The first one asks its last question a hundred times.
        pictures: Whether the pictures are there, or known by their words only.
        split: The split that all of them belong to.
    """
    with DatasetWriter(folder, name=name) as writer:
        for role in ROLES:
            writer.add_character(role, Character(name=role, description=f"{role} flies an airship."))
        colours = list(COLOURS.items())
        for number in range(dialogues):
            role = ROLES[number % len(ROLES)]
            colour, channels = colours[number // len(ROLES) % len(colours)]
            picture = Part(
                kind="image", media=writer.add_medium(png(*channels)) if pictures else None, text=f"It is {colour}."
            )
            turns = [
                Turn(speaker="human", parts=[picture, Part(kind="text", text=f"Question {number}?")]),
                Turn.of_text(role, f"Is it {colour}, number {number}?"),
                Turn.of_text("human", "Tell me more." * (100 if long and number == 0 else 1)),
                Turn.of_text(role, answer(role, number)),
            ]
            cast = [CastMember(name="human", kind="user"), CastMember(name=role, character=role)]
            writer.add(Dialogue(id=f"d{number:02}", cast=cast, turns=turns, split=split, language="en"))
    return EvaluationData(folder)


def weather_set(folder: Path) -> EvaluationData:
    """A picture of each weather; shine and sunrise look the same."""
    with DatasetWriter(folder, name="weather") as writer:
        for number, (label, colour) in enumerate(SKIES.items()):
            picture = writer.add_medium(png(*(channel + number for channel in colour)))
            said = [Label(name=label, source="weather")]
            part = Part(kind="image", media=picture, labels=said, text=f"It is {label}", name=f"{label}.jpg")
            writer.add(Dialogue(id=label, turns=[Turn(speaker="User", parts=[part])], split="validation"))
    return EvaluationData(folder)


class ScoringEngine(ScriptedEngine):
    """Scores replies by a function of the prompt's text and the reply's text, the same for each token."""

    def __init__(
        self, score: Callable[[str, str], float], *replies: str, context_length: int = 2048, name: str = "scoring"
    ) -> None:
        super().__init__(*(replies or ("Aye.",)), context_length=context_length, extractors={"image": "eyes"})
        self.name = name
        self._score = score
        self.calls = 0

    def log_likelihood(self, prompts: Sequence[Prompt], media: Media) -> list[npt.NDArray[np.float32]]:
        self.calls += 1
        return [np.full(sum(prompt.loss_mask), self._score(*self._texts(prompt)), np.float32) for prompt in prompts]

    def _texts(self, prompt: Prompt) -> tuple[str, str]:
        pieces: tuple[list[int], list[int]] = ([], [])
        for token, marked in zip(prompt.input_ids, prompt.loss_mask, strict=True):
            pieces[marked].append(token)
        context, reply = (self.prompts.tokenizer.decode(ids, skip_special_tokens=False) for ids in pieces)
        return context, reply.removesuffix("<|im_end|>")


class ReplyingEngine(ScoringEngine):
    """Replies by a function of the prompt's text."""

    def __init__(self, say: Callable[[str], str]) -> None:
        super().__init__(lambda context, reply: -1.0)
        self._say = say

    def generate(self, prompt: Prompt, media: Media, sampling: Sampling) -> Iterator[Delta]:  # type: ignore[override]
        self.replies = [self._say(self._texts(prompt)[0])]
        self.asked.clear()
        return super().generate(prompt, media, sampling)


class SharedSpace(ScoringEngine):
    """Has a space in which media and sentences lie, by the first feature of a medium."""

    def __init__(self, near: Callable[[float, str], float]) -> None:
        super().__init__(lambda context, reply: -1.0)
        self._near = near

    def perceive(self, prompts: Sequence[Prompt], media: Media) -> list[Feelings]:
        return [{} for _ in prompts]

    def similarity(self, media: Sequence[tuple[str, FeatureSequence]], sentences: Sequence[str]) -> list[list[float]]:
        firsts = [float(features.values[0, 0]) for _, features in media]
        return [[self._near(first, sentence) for sentence in sentences] for first in firsts]


def knows_the_answers(dialogues: int = 12, *, shuffled: bool = False) -> Callable[[str, str], float]:
    """Scores the true reply of the dialogue that it is shown far above all others.

    Args:
        dialogues: How many dialogues it knows.
        shuffled: It has learnt the replies in a wrong order.
    """
    order = np.random.default_rng(4).permutation(dialogues).tolist() if shuffled else range(dialogues)
    truths: Mapping[str, str] = {f"Question {n}?": answer(ROLES[m % 3], m) for n, m in enumerate(order)}

    def score(context: str, reply: str) -> float:
        right = any(question in context and reply == truth for question, truth in truths.items())
        return -0.1 if right else -3.0

    return score


def player(engine: ScriptedEngine, folder: Path) -> Player:
    return Player(engine, Perception(senses(), cache=FeatureCache(folder / "features")))
