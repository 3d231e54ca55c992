"""Visual novels made with Ren'Py, from JSON lines: what is said with the scene and the sprites that are shown.

A folder with one `.jsonl` file for each game and the pictures beside them. A label of the script is a dialogue; each
choice begins a new one, because the file tells the branches one after the other. The player (also called `Me`) is the
user; what the player only thinks carries the action `thinks`. Every other speaker is a character, whose card holds
the sprites by expression. Scene and sprites are shown by the narrator when they change; the expression is the
emotion of the turn and, unless it is neutral, its action.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from ruxi.dialogues.importers.base import ImportContext, Importer, ImportOptions
from ruxi.dialogues.importers.labels import emotion_of
from ruxi.dialogues.importers.reading import files_in, json_lines
from ruxi.dialogues.importers.rpy import plain
from ruxi.dialogues.importers.stage import Picture, StageLine, cast_and_turns
from ruxi.dialogues.schema import Dialogue

PLAYER_NAMES = frozenset({"player", "me", "you", "mc", "i"})


class RenpyOptions(ImportOptions):
    """Options of the Ren'Py importers."""

    language: str = "en"
    """Language of the texts; the others are kept as translations. Scripts name it by their `tl` folder."""
    pictures: Literal["shown", "none"] = "shown"
    """Whether scenes and sprites become pictures in the dialogues."""
    player: str = "Player"
    """Name of the user in the dialogues."""


class _Line(BaseModel):
    game: str
    file: str
    line: int
    label: str | None = None
    kind: str
    speaker: str
    name: str | None = None
    expression: str | None = None
    scene: str | None = None
    text: str
    text_zh: str | None = None
    scene_image: str | None = None
    sprite: str | None = None
    face: str | None = None


class RenpyImporter(Importer):
    """Reads Ren'Py lines as JSON."""

    name = "renpy"
    summary = "Ren'Py visual novels: lines with scene and sprites as JSON"
    source = "Ren'Py visual novels"
    Options = RenpyOptions
    options: RenpyOptions

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the dialogues of every game; a file is read twice, first for the sprites of its characters."""
        for path in files_in(source, ".jsonl"):
            self._add_characters(path, context)
            lines = json_lines(path, _Line, context)
            for place, group in groupby(_in_dialogues(lines), key=lambda item: item[0]):
                block = [(number, line) for _, number, line in group]
                number, first = block[0]
                with context.guard(path, number):
                    cast, turns = cast_and_turns(self._stage_line(line, context, path, n) for n, line in block)
                    yield Dialogue(
                        id=f"{first.game}/{Path(first.file).stem}/{first.label or ''}/{place}",
                        cast=cast,
                        turns=turns,
                        group=first.game,
                        language=self.options.language,
                    )

    def _add_characters(self, path: Path, context: ImportContext) -> None:
        from ruxi.characters import Character

        sprites: dict[tuple[str, str], dict[str, str]] = {}
        for number, line in json_lines(path, _Line, context):
            speaker = self._speaker(line)
            if speaker is None or self._is_player(line):
                continue
            shown = sprites.setdefault((line.game, speaker), {})
            if line.sprite and line.expression and line.expression not in shown:
                # A missing sprite is reported when it is to be shown.
                sha256 = (
                    context.medium(line.sprite, "image", file=path, line=number)
                    if context.locate(line.sprite)
                    else None
                )
                if sha256:
                    shown[line.expression] = sha256
        for (game, name), shown in sprites.items():
            card = Character(name=name, creator=game, tags=[game], extensions={"ruxi": {"expressions": shown}})
            context.character(f"{game} {name}", card)

    def _stage_line(self, line: _Line, context: ImportContext, path: Path, number: int) -> StageLine:
        texts = {"en": line.text, "zh": line.text_zh}
        words = {language: plain(text, self.options.player) for language, text in texts.items() if text}
        language = self.options.language if self.options.language in words else "en"
        text = words.pop(language, "")
        speaker = self._speaker(line)
        expression = None if line.expression in (None, "neutral", "normal") else line.expression
        return StageLine(
            speaker=speaker,
            text=text,
            kind="user" if self._is_player(line) else "character",
            card=context.character_id(f"{line.game} {speaker}"),
            language=language,
            translations=words,
            emotion=emotion_of(line.expression),
            action="thinks" if line.kind == "thought" else expression,
            pictures=tuple(self._pictures(line, speaker, context, path, number)),
        )

    def _pictures(
        self, line: _Line, speaker: str | None, context: ImportContext, path: Path, number: int
    ) -> Iterator[Picture]:
        if self.options.pictures == "none":
            return
        if line.scene_image:
            sha256 = context.medium(line.scene_image, "image", file=path, line=number)
            caption = (line.scene or "").removeprefix("bg ").replace("_", " ")
            yield Picture("scene", line.scene_image, sha256, caption)
        if line.sprite and speaker:
            sha256 = context.medium(line.sprite, "image", file=path, line=number)
            caption = f"{speaker}, {line.expression}" if line.expression else speaker
            yield Picture(speaker, line.sprite, sha256, caption)

    def _speaker(self, line: _Line) -> str | None:
        if line.kind == "narration":
            return None
        return self.options.player if self._is_player(line) else plain(line.name or line.speaker, self.options.player)

    def _is_player(self, line: _Line) -> bool:
        return line.kind in ("choice", "thought") or (line.name or line.speaker).lower() in PLAYER_NAMES


def _in_dialogues(lines: Iterator[tuple[int, _Line]]) -> Iterator[tuple[int, int, _Line]]:
    """Number the dialogues: a new one begins with each label and with each choice."""
    place, before = 0, None
    for number, line in lines:
        if before is not None and (line.kind == "choice" or (line.game, line.file, line.label) != before):
            place += 1
        before = line.game, line.file, line.label
        yield place, number, line
