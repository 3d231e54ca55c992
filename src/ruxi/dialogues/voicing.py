"""Spoken turns: what users have written is read aloud, so that dialogues with pictures have speech as well.

A user's words become a sound whose transcript they are; what is shown beside them stays. Each wording is spoken once,
and the sound is kept by its content, so that a question asked of a thousand pictures costs one synthesis and one
extraction of features.
"""

from __future__ import annotations

import hashlib
import io
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ruxi.dialogues.copying import copy_set, writer_like
from ruxi.dialogues.schema import Dialogue, Label, Part, Turn
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import DataError

Speak = Callable[[str], bytes]
"""Reads a text aloud: a WAV file."""


@dataclass
class VoicingReport:
    """What was spoken.

    Attributes:
        dialogues: Dialogues in the new set.
        voiced: How many of them have a spoken turn.
        turns: Spoken turns.
        sounds: Different sounds.
        seconds: Their length together.
    """

    dialogues: int = 0
    voiced: int = 0
    turns: int = 0
    sounds: int = 0
    seconds: float = 0.0


class Voicing:
    """Makes a copy of a data set in which users speak.

    Args:
        speak: The voice.
        voice: Its name, written on each sound as the source of its words.
        share: Share of the dialogues that are spoken; which ones depends on their ids alone.
        longest: Longest turn that is spoken, in characters; a dialogue with a longer one keeps that turn written.
    """

    def __init__(self, speak: Speak, voice: str, *, share: float = 1.0, longest: int = 300) -> None:
        self._speak = speak
        self._voice = voice
        self._share = share
        self._longest = longest
        self._sounds: dict[str, tuple[str, float]] = {}

    def run(self, source: DialogueSet, out: Path, progress: Callable[[int], None] | None = None) -> VoicingReport:
        """Write the copy.

        Args:
            source: The data set to speak.
            out: Folder of the copy; it must not exist or be empty.
            progress: Called with the number of dialogues so far.

        Raises:
            DataError: The folder is not free, or no user says anything that could be spoken.
        """
        report = VoicingReport()
        self._sounds.clear()
        with writer_like(source, out) as writer:
            copier = copy_set(source, writer)
            for dialogue in source:
                spoken = self._spoken(dialogue, writer.add_medium) if _drawn(dialogue.id, self._share) else dialogue
                turns = sum(new is not old for new, old in zip(spoken.turns, dialogue.turns, strict=True))
                copier.add(spoken)
                report.dialogues += 1
                report.voiced += turns > 0
                report.turns += turns
                if progress is not None:
                    progress(report.dialogues)
            if not report.turns:
                raise DataError(
                    "no user says anything that could be spoken",
                    where=str(source.path),
                    remedy="Choose a set whose cast has members of the kind `user`, or raise --share.",
                )
        report.sounds = len(self._sounds)
        report.seconds = sum(seconds for _, seconds in self._sounds.values())
        return report

    def _spoken(self, dialogue: Dialogue, keep: Callable[[bytes], str]) -> Dialogue:
        users = {member.name for member in dialogue.cast if member.kind == "user"}
        turns = [self._turn(turn, keep) if turn.speaker in users else turn for turn in dialogue.turns]
        return dialogue.model_copy(update={"turns": turns})

    def _turn(self, turn: Turn, keep: Callable[[bytes], str]) -> Turn:
        """The turn with its words as one sound, where they stood first."""
        words = turn.text.strip()
        sayable = any(character.isalnum() for character in words) and len(words) <= self._longest
        if not sayable or any(part.kind == "audio" for part in turn.parts):
            return turn
        if words not in self._sounds:
            sound = self._speak(words)
            self._sounds[words] = (keep(sound), _seconds(sound))
        media, seconds = self._sounds[words]
        label = Label(name="synthetic speech", source=self._voice)
        sound_part = Part(kind="audio", media=media, text=words, start=0.0, end=round(seconds, 3), labels=[label])
        first = next(index for index, part in enumerate(turn.parts) if part.kind == "text")
        parts = [part for part in turn.parts if part.kind != "text"]
        parts.insert(first, sound_part)
        return turn.model_copy(update={"parts": parts})


def _drawn(identifier: str, share: float) -> bool:
    digest = hashlib.blake2b(identifier.encode(), digest_size=4, person=b"voicing").digest()
    return int.from_bytes(digest, "big") / 2**32 < share


def _seconds(sound: bytes) -> float:
    with wave.open(io.BytesIO(sound)) as file:
        return float(file.getnframes() / file.getframerate())
