"""A short talk with a picture and a sound, for the engines to answer."""

from __future__ import annotations

import numpy as np

from ruxi.dialogues import Dialogue, Part, Turn
from ruxi.features import FeatureSequence
from ruxi.runtime import Sampling

GREEDY = Sampling(temperature=0, repetition_penalty=1, no_repeat_ngram=0, max_tokens=24)
IMAGE, SOUND = "a" * 64, "b" * 64


def features(width: int, seed: int, length: int = 6) -> FeatureSequence:
    values = np.random.default_rng(seed).normal(size=(length, width)).astype(np.float16)
    return FeatureSequence(values, np.zeros((length, 2), dtype=np.float32))


def dialogue(*turns: tuple[str, str] | Turn) -> Dialogue:
    return Dialogue(id="d", turns=[t if isinstance(t, Turn) else Turn.of_text(*t) for t in turns])


def showing(kind: str, media: str, text: str) -> Turn:
    return Turn(speaker="User", parts=[Part(kind=kind, media=media), Part(kind="text", text=text)])


def seeing(image: str = IMAGE) -> Dialogue:
    return dialogue(
        ("User", "What do you see?"),
        ("Mira", "The sky."),
        showing("image", image, "And now?"),
        ("Mira", "A storm."),
        showing("audio", SOUND, "Hold the line!"),
    )
