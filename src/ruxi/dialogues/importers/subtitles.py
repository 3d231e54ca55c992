"""Subtitles (SRT or WebVTT) with the video or sound that they belong to.

A file, or a folder in which a video or sound has the same name as its subtitles. The dialogue's time axis is the
film's. A pause longer than `gap` seconds begins a new dialogue; the narrator shows the film in its first turn, and
`ruxi data align` cuts it by turns. Speakers are taken from voice tags (`<v Name>`) and from names before a colon;
otherwise the speaker is unknown and called `Speaker`. Cues in which a sentence goes on are one turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from ruxi.dialogues.importers.base import ImportContext, Importer, ImportOptions, MediumKind
from ruxi.dialogues.importers.reading import files_in, read_text
from ruxi.dialogues.schema import CastMember, Dialogue, Part, Turn

_KINDS: dict[str, MediumKind] = {
    ".mp4": "video", ".mkv": "video", ".webm": "video", ".wav": "audio", ".flac": "audio", ".mp3": "audio",
    ".ogg": "audio", ".opus": "audio", ".m4a": "audio",
}  # fmt: skip
_CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_TAGS = re.compile(r"<[^<>\n]*>|\{\\[^{}\n]*\}")
_NAME = re.compile(r"([A-Z][A-Z0-9.' -]{1,30}|[A-Z][\w.'-]*(?: [A-Z][\w.'-]*){0,2}):\s+(?=\S)")
_SOUND = re.compile(r"\s*(?:\[[^\]]*\]|\([^)]*\)|[♪♫][^♪♫]*[♪♫]?)\s*")
_GOES_ON = 1.0
"""Longest pause inside a sentence, in seconds."""
_UNKNOWN, _NARRATOR = "Speaker", "Narrator"


class SubtitleOptions(ImportOptions):
    """Options of the subtitle importer."""

    gap: float = Field(20.0, gt=0)
    """Pause that begins a new dialogue, in seconds."""
    language: str | None = None
    """BCP 47 code of the subtitles."""


@dataclass(frozen=True)
class _Cue:
    line: int
    start: float
    end: float
    text: str


class SubtitleImporter(Importer):
    """Reads subtitles with their film."""

    name = "subtitles"
    summary = "Subtitles (.srt, .vtt) with the video or sound of the same name"
    Options = SubtitleOptions
    options: SubtitleOptions

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the dialogues of each film."""
        for path in files_in(source, ".srt", ".vtt"):
            text = read_text(path, context)
            if text is None:
                continue
            film = self._film(path, context)
            place = str(path.relative_to(context.root).with_suffix(""))
            turns: list[Turn] = []
            number = 0
            for turn in _turns(_cues(text, path, context), self.options.language):
                if turns and (turn.start or 0.0) - (turns[-1].end or 0.0) > self.options.gap:
                    yield self._dialogue(place, number, film, turns)
                    turns, number = [], number + 1
                turns.append(turn)
            if turns:
                yield self._dialogue(place, number, film, turns)

    def _film(self, path: Path, context: ImportContext) -> Part | None:
        for ending, kind in _KINDS.items():
            # Film.en.srt belongs to Film.mp4.
            for stem in (path.stem, path.stem.rpartition(".")[0]):
                film = path.with_name(stem + ending)
                if stem and film.is_file():
                    name = str(film.relative_to(context.root))
                    sha256 = context.medium(name, kind, file=path)
                    return Part(kind=kind, media=sha256, name=name, start=0.0)
        problem = "no video or sound has the name of the subtitles"
        context.problem("missing medium", problem, file=path, remedy=f"Put {path.stem}.mp4 beside them.")
        return None

    def _dialogue(self, place: str, number: int, film: Part | None, turns: list[Turn]) -> Dialogue:
        cast = [
            CastMember(name=name, kind="narrator" if name == _NARRATOR else "character")
            for name in dict.fromkeys(turn.speaker for turn in turns)
        ]
        if film is not None:
            turns = [Turn(speaker=_NARRATOR, parts=[film.model_copy()]), *turns]
            if all(member.name != _NARRATOR for member in cast):
                cast.append(CastMember(name=_NARRATOR, kind="narrator"))
        return Dialogue(
            id=f"{place}/{number}",
            cast=cast,
            turns=turns,
            group=place,
            language=self.options.language,
        )


def _cues(text: str, path: Path, context: ImportContext) -> Iterator[_Cue]:
    lines = text.splitlines()
    place = 0
    while place < len(lines):
        times = _TIMES.match(lines[place])
        if times is None:
            if "-->" in lines[place]:
                remedy = "Write it as 00:01:02,345 --> 00:01:04,567."
                problem = f"the time {lines[place].strip()[:80]!r} cannot be read; the cue is lost"
                context.problem("unreadable", problem, file=path, line=place + 1, remedy=remedy, lost=1)
            place += 1
            continue
        line = place + 1
        place += 1
        words = []
        while place < len(lines) and lines[place].strip() and "-->" not in lines[place]:
            words.append(lines[place])
            place += 1
        if place < len(lines) and "-->" in lines[place] and words and words[-1].strip().isdigit():
            words.pop()  # The number of the next cue, which no blank line sets apart.
        start, end = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
        if end < start:
            remedy = "Correct the times; the cue is taken to end where it begins."
            context.problem("unreadable", "the cue ends before it begins", file=path, line=line, remedy=remedy)
            end = start
        if words:
            yield _Cue(line, start, end, "\n".join(words))


def _turns(cues: Iterator[_Cue], language: str | None) -> Iterator[Turn]:
    """Cues as turns; a cue that carries on an unfinished sentence joins the turn before it."""
    current: Turn | None = None
    for cue in cues:
        for speaker, words in _sayings(cue.text):
            if not words:
                continue
            part = Part(kind="text", text=words, start=cue.start, end=cue.end, language=language)
            unfinished = current is not None and not current.text.rstrip().endswith(
                (".", "!", "?", "…", "。", "！", "？")
            )
            close = current is not None and abs(cue.start - (current.end or 0.0)) <= _GOES_ON
            same = current is not None and speaker in (_UNKNOWN, current.speaker) and current.speaker != _NARRATOR
            if current is not None and unfinished and close and same and speaker != _NARRATOR:
                current.parts.append(part)
                current.end = max(cue.end, current.end or 0.0)
                continue
            if current is not None:
                yield current
            action = words if speaker == _NARRATOR else None
            current = Turn(speaker=speaker, parts=[] if action else [part], action=action, start=cue.start, end=cue.end)
    if current is not None:
        yield current


def _sayings(text: str) -> Iterator[tuple[str, str]]:
    """What a cue holds: (speaker, words), one for each voice, dash or sound."""
    voice = _UNKNOWN
    for piece in re.split(r"(?=<v[ .])|\n(?=\s*[-–]\s)", text):
        dashed = re.match(r"\s*[-–]\s+", piece)
        if found := _VOICE.search(piece):
            voice = found[1].strip()
        words = " ".join(_TAGS.sub("", piece).split())
        if dashed:
            words = words.lstrip("-– ")
        if words and _SOUND.fullmatch(words):
            yield _NARRATOR, words.strip("[]() ")
        elif name := _NAME.match(words):
            yield name[1].title() if name[1].isupper() else name[1], words[name.end() :]
        else:
            yield voice, words


def _seconds(clock: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = clock
    return (
        int(hours or 0) * 3600
        + int(minutes or 0) * 60
        + int(seconds or 0)
        + int((fraction or "0").ljust(3, "0")) / 1000
    )
