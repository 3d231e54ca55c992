"""The worked example: a picture of the weather, the history, and the question how the weather is.

Asked three ways: which of four answers is the likeliest (calibrated, see `ruxi.evaluation.asking`: minus what each is
worth without the picture; and plainly, because a model that was trained on such answers believes in one of them without
a picture, too), which of them lies nearest to the picture in the space that a model gives both, where it has one, and
which kind of weather the reply names that the model makes up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ruxi.characters import Character
from ruxi.dialogues import CastMember, Dialogue, Turn
from ruxi.errors import DataError
from ruxi.evaluation import floors, metrics
from ruxi.evaluation.data import cluster_of
from ruxi.evaluation.labels import confusion_details, of_confusion
from ruxi.evaluation.replies import drawn
from ruxi.evaluation.task import Item, Metric, Need, Record, Task, TaskOptions, Value, mean_of
from ruxi.runtime import Sampling

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player

ANSWERS = {
    "cloudy": "It is cloudy.",
    "rain": "It is raining.",
    "shine": "The sun is shining.",
    "sunrise": "The sun is rising.",
}

_NAMED = {
    "sunrise": re.compile(r"\bsun(?:'s| is| was)? (?:just )?(?:rising|coming up)|\bsunrise|\bdawn|\bdaybreak", re.I),
    "rain": re.compile(r"\brain|\bdrizzl|\bshower|\bdownpour|\bpouring|\bwet\b", re.I),
    "cloudy": re.compile(r"\bcloud|\bovercast|\bgr[ea]y sk", re.I),
    "shine": re.compile(r"\bsunny|\bshin(?:e|es|ing)\b|\bclear sk|\bblue sk|\bbright", re.I),
}
_USER, _CHARACTER = "User", "Mira"


class WeatherOptions(TaskOptions):
    """Options of the worked example."""

    question: str = "How is the weather?"
    """What the user asks about the picture."""
    history: bool = True
    """Whether two turns come before it."""
    generate: bool = True
    """Whether replies are made up as well."""


class Weather(Task):
    """Asks how the weather is in a picture."""

    name = "weather"
    summary = "how is the weather in this picture, of four kinds: by the likeliest answer, and by the reply"
    needs: ClassVar[frozenset[Need]] = frozenset({"likelihood", "generation", "media"})
    Options: ClassVar[type[TaskOptions]] = WeatherOptions
    options: WeatherOptions

    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy each way."""
        return (
            Metric("accuracy of replies", mean_of("reply is right")),
            Metric("accuracy by plain likelihood", mean_of("likeliest is right")),
            Metric("space accuracy", mean_of("nearest is right")),
            Metric("accuracy", mean_of("right")),
            Metric("macro F1", of_confusion(metrics.macro_f1)),
            Metric("replies that name no weather", mean_of("names none"), higher_is_better=False),
        )

    def items(self, data: EvaluationData, seed: int) -> list[Item]:
        """One item a picture whose label is one of the four kinds, however many dialogues show it."""
        items: dict[str, Item] = {}
        for dialogue in data.dialogues(self.options):
            part = next((part for turn in dialogue.turns for part in turn.parts if part.kind == "image"), None)
            label = next((label.name for label in part.labels if label.name in ANSWERS), None) if part else None
            if part is None or part.media is None or label is None or part.media in items:
                continue
            asked = Turn.of_text(_USER, self.options.question)
            # A caption or a file's name may be the answer.
            asked.parts.insert(0, part.model_copy(update={"text": None, "name": None}))
            before = [Turn.of_text(_USER, "I would like to go out."), Turn.of_text(_CHARACTER, "What holds you back?")]
            items[part.media] = Item(
                id=dialogue.id,
                cluster=cluster_of(dialogue),
                dialogue=Dialogue(
                    id=dialogue.id,
                    cast=[CastMember(name=_USER, kind="user"), CastMember(name=_CHARACTER)],
                    turns=[*(before if self.options.history else []), asked],
                ),
                character=Character(name=_CHARACTER, description="{{char}} is a friend who looks out of the window."),
                speaker=_CHARACTER,
                label=label,
            )
        if not items:
            raise DataError(
                f"no picture has one of the labels {', '.join(ANSWERS)}",
                where=str(data.path),
                remedy="Give data like those of `ruxi data import weather`.",
            )
        return drawn(list(items.values()), self.options.items, seed)

    def run(self, items: Sequence[Item], player: Player, data: EvaluationData) -> list[Record]:
        """Score the four answers with and without the picture; let the model speak."""
        contexts = [
            player.prompt(item.character, dialogue, item.speaker, self.options, data.media)
            for item in items
            for dialogue in (item.dialogue, _without_media(item.dialogue))
        ]
        prompts = [player.answered(context, answer) for context in contexts for answer in ANSWERS.values()]
        worth = np.array([float(scores.sum()) for scores in player.log_likelihood(prompts, data.media)])
        gains = worth.reshape(len(items), 2, len(ANSWERS))
        slots = [context.slots[-1] for context in contexts[::2] if context.slots]
        fits = player.fit(slots, tuple(ANSWERS.values()), data.media) if len(slots) == len(items) else None
        records = []
        for place, (item, context, (shown, blind)) in enumerate(zip(items, contexts[::2], gains, strict=True)):
            scores = dict(zip(ANSWERS, (shown - blind).tolist(), strict=True))
            reply = None
            if self.options.generate:
                sampling = Sampling(temperature=0, max_tokens=40)
                reply = player.reply(context, item.speaker, data.media, sampling).text
            near = None if fits is None else dict(zip(ANSWERS, fits[place], strict=True))
            likely = dict(zip(ANSWERS, shown.tolist(), strict=True))
            records.append(_record(item, scores, near, reply, likely))
        return records

    def floors(self, items: Sequence[Item], data: EvaluationData) -> dict[str, list[Record]]:
        """The most frequent kind; chance is one in four."""
        most = floors.majority([item.label or "" for item in items])
        return {"majority": [_record(item, {most: 1.0}, None, None) for item in items]}

    def details(self, records: Sequence[Record]) -> dict[str, Any]:
        """The confusion matrix of the likeliest answers."""
        return confusion_details(records, tuple(ANSWERS))


def named_weather(text: str) -> str | None:
    """The kind of weather that a text names first, or None."""
    found = [(match.start(), name) for name, pattern in _NAMED.items() if (match := pattern.search(text))]
    return min(found)[1] if found else None


def _record(
    item: Item,
    scores: Mapping[str, float],
    near: Mapping[str, float] | None,
    reply: str | None,
    likely: Mapping[str, float] | None = None,
) -> Record:
    predicted = max(scores, key=scores.__getitem__)
    values: dict[str, Value] = {"gold": item.label, "predicted": predicted, "right": float(predicted == item.label)}
    shown: dict[str, Any] = {"scores": dict(scores)}
    if likely is not None:
        values["likeliest is right"] = float(max(likely, key=likely.__getitem__) == item.label)
        shown["likelihoods"] = dict(likely)
    if near is not None:
        values["nearest is right"] = float(max(near, key=near.__getitem__) == item.label)
        shown["cosines"] = dict(near)
    if reply is not None:
        named = named_weather(reply)
        values |= {"reply is right": float(named == item.label), "names none": float(named is None)}
        shown |= {"reply": reply, "named": named}
    return Record(item.id, item.cluster, values, shown)


def _without_media(dialogue: Dialogue) -> Dialogue:
    turns = [
        turn.model_copy(update={"parts": [part for part in turn.parts if part.kind == "text"]})
        for turn in dialogue.turns
    ]
    return dialogue.model_copy(update={"turns": turns})
