"""Alignment of a whole data set: a new set with times, a report, and a picture of each recording."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruxi import files
from ruxi.dialogues.alignment.align import Aligned, Alignment, Line, align_lines
from ruxi.dialogues.alignment.apply import with_clock, with_turn
from ruxi.dialogues.alignment.picture import picture_of
from ruxi.dialogues.alignment.settle import settle_words
from ruxi.dialogues.alignment.sounds import Share, in_groups, is_cut, is_scene, shares_of, words_of_turn
from ruxi.dialogues.alignment.transcript import Transcriber
from ruxi.dialogues.copying import copy_set, writer_like
from ruxi.dialogues.schema import Dialogue, Part, Turn, Word
from ruxi.dialogues.store import DialogueSet
from ruxi.dialogues.writer import DatasetWriter
from ruxi.errors import MediaError
from ruxi.media import Audio, Limits, open_audio

REPORT_NAME = "alignment.json"
PICTURES = "alignment"
_MARGIN = 0.15
"""Seconds of sound that a cut keeps before and after the words."""


@dataclass
class AlignmentReport:
    """What an alignment did.

    Attributes:
        dialogues: Number of dialogues.
        methods: Number of turns by method: `words`, `clock`, `none`.
        recordings: One entry a recording of a scene: its medium, offset, drift and counts.
        problems: Media that could not be used, with the reason.
    """

    dialogues: int = 0
    methods: Counter[str] = field(default_factory=Counter)
    recordings: list[dict[str, Any]] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "dialogues": self.dialogues,
            "turns": dict(self.methods),
            "recordings": self.recordings,
            "problems": self.problems,
        }


class SetAligner:
    """Aligns the dialogues of a data set.

    Args:
        source: The data set.
        transcriber: Hears words.
        limits: Which sounds are opened.
        cut: Give each aligned turn its own piece of the recording.
        pictures: Draw each recording.
    """

    def __init__(
        self, source: DialogueSet, transcriber: Transcriber, *, limits: Limits, cut: bool = False, pictures: bool = True
    ) -> None:
        self._source = source
        self._transcriber = transcriber
        self._limits = limits
        self._cut = cut
        self._pictures = pictures
        self.report = AlignmentReport()

    def run(self, out: Path, on_progress: Callable[[int], None] = lambda count: None) -> AlignmentReport:
        """Write the aligned data set.

        Args:
            out: Folder of the new data set; it must not exist or be empty.
            on_progress: Called with the number of dialogues so far.

        Raises:
            DataError: The source cannot be read or the target not be written.
        """
        with writer_like(self._source, out) as writer:
            copier = copy_set(self._source, writer)
            for group in in_groups(self._source):
                for dialogue in self._aligned(group, writer):
                    copier.add(dialogue)
                    self.report.dialogues += 1
                on_progress(self.report.dialogues)
            files.write_text(
                writer.folder / REPORT_NAME, json.dumps(self.report.summary(), ensure_ascii=False, indent=1) + "\n"
            )
        return self.report

    def _aligned(self, group: list[Dialogue], writer: DatasetWriter) -> list[Dialogue]:
        shares = [(number, share) for number, dialogue in enumerate(group) for share in shares_of(dialogue)]
        scene = [(number, share) for number, share in shares if is_scene(group[number], share)]
        if scene:
            group = self._with_scene(group, scene, writer)
        for number, share in shares:
            if not is_scene(group[number], share):
                group[number] = self._with_own_sound(group[number], share)
        return group

    def _with_scene(
        self, group: list[Dialogue], shares: list[tuple[int, Share]], writer: DatasetWriter
    ) -> list[Dialogue]:
        """All dialogues of one recording against it, with one clock."""
        media, shift = shares[0][1].media, shares[0][1].start or 0.0
        heard = self._hear(media)
        if heard is None:
            return group
        sound, words = heard
        turns = [(number, index) for number, share in shares for index in share.turns]
        lines = [_line(group[number].turns[index], shift) for number, index in turns]
        alignment = align_lines(lines, words)
        # Where nothing at all was heard the text may belong to another recording: its times are left alone.
        if any(one.method != "none" for one in alignment.aligned):
            for (number, index), aligned in zip(turns, alignment.aligned, strict=True):
                turn = with_turn(group[number].turns[index], aligned, shift)
                turn.parts = [part for part in turn.parts if not is_cut(part)]
                if self._cut and aligned.method == "words":
                    turn = self._with_cut(turn, aligned, sound, shift, writer)
                group[number].turns[index] = turn
        for number, share in shares:
            group[number] = with_clock(group[number], share, alignment, self._transcriber.name)
        self._note(media, alignment, sound, words, writer)
        return group

    def _with_own_sound(self, dialogue: Dialogue, share: Share) -> Dialogue:
        """A turn against its own sound, which follows the turn before it when the data do not place it."""
        heard = self._hear(share.media)
        if heard is None:
            return dialogue
        sound, words = heard
        index = share.turns[0]
        ends = [turn.end for turn in dialogue.turns[:index] if turn.end is not None]
        shift = share.start if share.start is not None else max(ends, default=0.0)
        turn = dialogue.turns[index]
        aligned = align_lines([Line(words_of_turn(turn))], words).aligned[0]
        self.report.methods[aligned.method] += 1
        turn = with_turn(turn, aligned, shift)
        for part in turn.parts:
            if part.media == share.media:
                part.start, part.end = shift, round(shift + sound.duration, 3)
        # The turn lasts as long as its sound; the words say when in it somebody speaks.
        dialogue.turns[index] = turn.model_copy(update={"start": shift, "end": round(shift + sound.duration, 3)})
        return dialogue

    def _hear(self, media: str) -> tuple[Audio, list[Word]] | None:
        if media in self.report.problems:
            return None
        try:
            sound = open_audio(self._source.media.read(media), limits=self._limits)
            return sound, settle_words(self._transcriber.words(sound), sound)
        except MediaError as error:
            self.report.problems[media] = str(error)
            return None

    def _with_cut(self, turn: Turn, aligned: Aligned, sound: Audio, shift: float, writer: DatasetWriter) -> Turn:
        assert aligned.start is not None  # noqa: S101 - its words were heard
        assert aligned.end is not None  # noqa: S101
        start, end = max(0.0, aligned.start - _MARGIN), min(sound.duration, aligned.end + _MARGIN)
        media = writer.add_medium(_flac(sound, start, end))
        piece = Part.model_validate(
            {
                "kind": "audio",
                "media": media,
                "start": round(start + shift, 3),
                "end": round(end + shift, 3),
                "cut_from": sound.sha256,
            }
        )
        return turn.model_copy(update={"parts": [*turn.parts, piece]})

    def _note(self, media: str, alignment: Alignment, sound: Audio, words: list[Word], writer: DatasetWriter) -> None:
        methods: Counter[str] = Counter(one.method for one in alignment.aligned)
        self.report.methods += methods
        clock = alignment.clock
        entry: dict[str, Any] = {"media": media, "seconds": round(sound.duration, 1), "turns": dict(methods)}
        if clock is not None:
            entry |= {
                "offset": round(clock.offset, 3),
                "drift": round(clock.drift, 6),
                "spread": round(clock.spread, 3),
            }
        if self._pictures:
            name = f"{PICTURES}/{media[:16]}-{len(self.report.recordings)}.png"
            files.write_bytes(writer.folder / name, picture_of(alignment, sound, words))
            entry["picture"] = name
        self.report.recordings.append(entry)


def _line(turn: Turn, shift: float) -> Line:
    """A turn's words with the text's own times; those found by an earlier alignment are not the text's."""
    earlier = (turn.model_extra or {}).get("alignment")
    start, end = turn.start, turn.end
    if isinstance(earlier, dict) and "text_start" in earlier:
        start, end = earlier["text_start"], earlier.get("text_end")
    if not isinstance(start, int | float) or not isinstance(end, int | float):
        return Line(words_of_turn(turn))
    return Line(words_of_turn(turn), start - shift, end - shift)


def _flac(sound: Audio, start: float, end: float) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, sound.samples[int(start * sound.rate) : int(end * sound.rate)], sound.rate, format="FLAC")
    return file.getvalue()
