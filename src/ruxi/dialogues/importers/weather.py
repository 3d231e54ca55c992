"""Multi-class Weather (Ajayi, 2018): photographs of cloudy, rainy, sunny weather and of sunrise.

A folder with `metadata.jsonl` and `images/`. The user shows the photograph, whose label is the weather, and asks how
the weather is; a character without a card, the observer, answers. Questions and answers are ours: a few ways to say
each, and every second dialogue has two turns of history. Which of them a photograph gets depends on its name alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.labelled import USER, shown
from ruxi.dialogues.importers.labels import split_of
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.schema import CastMember, Dialogue, Part, Turn

_OBSERVER = "Observer"

_QUESTIONS = (
    "How is the weather?",
    "How is the weather today?",
    "What is the weather like?",
    "What does the sky look like?",
    "What do you say to this weather?",
)

_HISTORIES = (
    ("I would like to go for a walk.", "Then have a look outside first."),
    ("Shall we have lunch in the garden?", "That depends on the sky."),
    ("Good morning!", "Good morning. Did you sleep well?"),
    ("I have just opened the curtains.", "And what do you see?"),
)

_ANSWERS = {
    "cloudy": (
        "It is cloudy.",
        "It is cloudy, the sky is full of clouds.",
        "There are clouds all over the sky.",
        "The sky is overcast.",
    ),
    "rain": (
        "It is raining.",
        "It is raining, so take an umbrella.",
        "It rains, and everything is wet.",
        "There is rain, better stay inside.",
    ),
    "shine": (
        "The sun is shining.",
        "The sun is shining and the sky is clear.",
        "It is sunny, with a bright blue sky.",
        "It is a bright, sunny day.",
    ),
    "sunrise": (
        "The sun is rising.",
        "The sun is rising, a new day begins.",
        "It is sunrise, the sky glows red and gold.",
        "The sun is just coming up.",
    ),
}


class _Record(BaseModel):
    image: str
    label: str
    split: str | None = None


class WeatherImporter(Importer):
    """Reads Multi-class Weather."""

    name = "weather"
    summary = "Multi-class Weather: photographs of four kinds of weather"
    source = "Multi-class Weather Dataset (Ajayi, 2018)"
    licence = "CC-BY-4.0"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream one dialogue for each photograph."""
        path = find(source, "metadata.jsonl")
        for number, record in json_lines(path, _Record, context):
            with context.guard(path, number):
                dialogue = shown(
                    Path(record.image).stem,
                    "image",
                    context.medium(record.image, "image", file=path, line=number),
                    name=record.image,
                    label=record.label,
                    label_source=self.name,
                    split=split_of(record.split, context, path, number),
                    language="en",
                    licence=self.licence,
                )
                _ask(dialogue, record.label)
                yield dialogue


def _ask(dialogue: Dialogue, label: str) -> None:
    """Put the question beside the photograph, the history before it and the answer after it."""
    dice = random.Random(dialogue.id)
    question, history, answers = dice.choice(_QUESTIONS), dice.choice(_HISTORIES), _ANSWERS.get(label, ())
    dialogue.turns[0].parts.append(Part(kind="text", text=question))
    dialogue.cast.append(CastMember(name=_OBSERVER))
    if dice.random() < 0.5:
        said, answered = history
        dialogue.turns[:0] = [Turn.of_text(USER, said), Turn.of_text(_OBSERVER, answered)]
    if answers:
        dialogue.turns.append(Turn.of_text(_OBSERVER, dice.choice(answers)))
