"""Write a small data set of our own: three built-in characters are shown drawings of the weather and asked about it.

    python tools/tiny_set.py sets/tiny

Nothing but the picture says what the weather is, so a model that learns to answer has learnt to look. The drawings and
the words are made here by fixed dice: the same set on every machine. `recipes/tiny.yaml` trains on it.
"""

from __future__ import annotations

import argparse
import io
import random
from pathlib import Path

from PIL import Image, ImageDraw

from ruxi.characters import Character
from ruxi.dialogues import CastMember, Dialogue, Part, Turn
from ruxi.dialogues.writer import DatasetWriter

SIZE = 160
WEATHERS = ("sun", "rain", "snow", "night")
QUESTIONS = (
    "How is the weather?",
    "What is it like outside?",
    "Look at this picture. How is the sky?",
    "Weather report?",
)
COATS = ("Should I take a coat?", "Do I need a coat?", "Coat or no coat?")
EMOTIONS = {"sun": "joy", "rain": "annoyance", "snow": "excitement", "night": "caring"}

# For each character and weather: what it says to the picture, and about the coat.
LINES = {
    "mira": {
        "sun": ("Clear sky, hot sun. Good flying.", "No coat. You would cook, passenger."),
        "rain": ("Rain, and plenty of it. Mind the wet rope.", "Take the long coat, and do up the collar."),
        "snow": ("Snow. The wings will want brushing.", "Two coats, and gloves. I will not say it twice."),
        "night": ("Dark, with stars. I steer by those.", "A coat, yes. Night air bites up here."),
    },
    "aldo": {
        "sun": ("Ah, the sun is out! Eight minutes old, that light.", "Leave the coat, my friend, and take a hat."),
        "rain": ("It rains, my friend. The sea comes back to us.", "A coat, of course, or you become an experiment."),
        "snow": ("Snow! Every flake has six sides, look closely.", "A coat and a scarf. Cold is only missing heat."),
        "night": ("It is night, and the stars are out. Count them.", "Take a coat. The earth cools when the sun is gone."),
    },
    "hana": {
        "sun": ("Sunny and clear. I have opened the blinds.", "No coat today. Sunglasses are by the door."),
        "rain": ("Rain. I have closed the kitchen window.", "Yes. The raincoat is on the second hook."),
        "snow": ("It is snowing. The heating is on.", "The warm coat, please, and the boots."),
        "night": ("It is night, and quiet. The porch lamp is lit.", "A light coat. I will leave the hall lamp on."),
    },
}  # fmt: skip


def drawing(weather: str, rng: random.Random) -> bytes:
    """A PNG of the weather; place, number and size of what it shows differ each time."""
    dark = rng.randint(0, 20)
    skies = {"sun": (90, 170, 240), "rain": (110, 115, 125), "snow": (190, 200, 215), "night": (15, 20, 50)}
    picture = Image.new("RGB", (SIZE, SIZE), tuple(max(0, channel - dark) for channel in skies[weather]))
    draw = ImageDraw.Draw(picture)
    x, y, r = rng.randint(35, 125), rng.randint(30, 60), rng.randint(16, 28)
    if weather == "sun":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 225, 60))
    elif weather == "night":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(235, 235, 215))
        draw.ellipse((x - r + 10, y - r - 4, x + r + 10, y + r - 4), fill=(15, 20, 50))
    else:
        for shift in (-r, 0, r):
            draw.ellipse((x + shift - r, y - r // 2, x + shift + r, y + r), fill=(80, 82, 90))
    for _ in range(rng.randint(50, 80)):
        a, b = rng.randint(0, SIZE), rng.randint(0, SIZE)
        if weather == "rain":
            draw.line((a, b, a - 4, b + 14), fill=(60, 90, 160), width=2)
        elif weather == "snow":
            draw.ellipse((a, b, a + 5, b + 5), fill=(255, 255, 255))
        elif weather == "night":
            draw.point((a, b), fill=(255, 255, 230))
    draw.rectangle((0, SIZE - rng.randint(20, 40), SIZE, SIZE), fill=(60, 110 - dark, 60))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def write(folder: Path, dialogues: int = 192) -> None:
    """Write the data set; one dialogue in six is held out for validation."""
    with DatasetWriter(folder, name="tiny", source="made by Ruxi", licence="CC0-1.0") as writer:
        characters = {name: Character.load(name) for name in LINES}
        for name, character in characters.items():
            writer.add_character(name, character)
        for number in range(dialogues):
            rng = random.Random(f"tiny/{number}")
            weather, name = WEATHERS[number % 4], rng.choice(tuple(LINES))
            speaker, (seen, coat) = characters[name].call_name, LINES[name][weather]
            picture = Part(kind="image", media=writer.add_medium(drawing(weather, rng)))
            question = Part(kind="text", text=rng.choice(QUESTIONS))
            turns = [
                Turn(speaker="User", parts=[picture, question], intent="question"),
                Turn.of_text(speaker, seen, emotion=EMOTIONS[weather], intent="answer"),
                Turn.of_text("User", rng.choice(COATS), intent="question"),
                Turn.of_text(speaker, coat, emotion=EMOTIONS[weather], intent="answer"),
            ]
            cast = [CastMember(name="User", kind="user"), CastMember(name=speaker, character=name)]
            split = "validation" if number // 4 % 6 == 5 else "train"
            writer.add(Dialogue(id=f"tiny-{number:03}", cast=cast, turns=turns, split=split, language="en"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path, help="Folder of the data set; it must not exist or be empty.")
    write(parser.parse_args().folder)
