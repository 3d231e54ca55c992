"""Other people's names for emotions and splits, mapped to ours."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ruxi.dialogues.emotions import EMOTIONS
from ruxi.dialogues.importers.base import ImportContext
from ruxi.dialogues.schema import Split

_EMOTIONS: Final[dict[str, str]] = {
    "afraid": "fear",
    "amused": "amusement",
    "angry": "anger",
    "annoyed": "annoyance",
    "astonished": "surprise",
    "calm": "neutral",
    "concerned": "nervousness",
    "confused": "confusion",
    "curious": "curiosity",
    "curious to dive deeper": "curiosity",
    "depress": "sadness",
    "depressed": "sadness",
    "disappointed": "disappointment",
    "disgusted": "disgust",
    "embarrassed": "embarrassment",
    "excited": "excitement",
    "fearful": "fear",
    "giggle": "amusement",
    "glad": "joy",
    "grateful": "gratitude",
    "happiness": "joy",
    "happy": "joy",
    "laugh": "amusement",
    "mad": "anger",
    "nervous": "nervousness",
    "normal": "neutral",
    "pout": "annoyance",
    "proud": "pride",
    "rage": "anger",
    "relaxed": "relief",
    "relieved": "relief",
    "sad": "sadness",
    "scared": "fear",
    "shy": "embarrassment",
    "smile": "joy",
    "surprised": "surprise",
    "vhappy": "joy",
    "worried": "nervousness",
    "worry": "nervousness",
} | {label: label for label in EMOTIONS}

_SPLITS: Final[dict[str, Split]] = {
    "train": "train",
    "training": "train",
    "dev": "validation",
    "eval": "validation",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def emotion_of(label: str | None) -> str | None:
    """The GoEmotions label for a name of an emotion or facial expression; None when it names none."""
    return _EMOTIONS.get(label.strip().lower()) if label else None


def emotion_or_report(label: str | None, context: ImportContext, file: Path, line: int) -> str | None:
    """Like `emotion_of`; a label that stands for no emotion of ours is reported once."""
    found = emotion_of(label)
    if label and label.strip() and found is None and context.once(f"emotion {label}"):
        remedy = "It is kept as `source_emotion`; the turn has no emotion."
        context.problem("unknown label", f"no emotion is called {label!r}", file=file, line=line, remedy=remedy)
    return found


def split_of(name: str | None, context: ImportContext, file: Path, line: int) -> Split | None:
    """The split of this name, also in forms such as `dev` and `valid_freq`; an unknown one is reported once."""
    if not name:
        return None
    found = _SPLITS.get(name.lower()) or _SPLITS.get(name.lower().partition("_")[0])
    if found is None and context.once(f"split {name}"):
        remedy = "Use train, validation or test; the dialogue has no split."
        context.problem("unknown label", f"no split is called {name!r}", file=file, line=line, remedy=remedy)
    return found
