"""Visual novels straight from their Ren'Py scripts (`.rpy`): what is said, with expressions and translations.

Give a game's folder or its `game` folder. A label is a dialogue; each branch of a menu or an `else` is one of its
own, so that lines which no player sees one after the other do not stand so. Pictures are found as Ren'Py finds them,
by file name below `images/`. Translations come from `tl/LANGUAGE/`. See `ruxi.dialogues.importers.renpy` for the
cast and the pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ruxi.dialogues.importers import rpy
from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.labels import emotion_of
from ruxi.dialogues.importers.reading import files_in, read_text
from ruxi.dialogues.importers.renpy import PLAYER_NAMES, RenpyOptions
from ruxi.dialogues.importers.stage import Picture, StageLine, cast_and_turns
from ruxi.dialogues.schema import Dialogue

_PICTURES = (".avif", ".jpeg", ".jpg", ".png", ".webp")
_TRANSLATE = re.compile(r"translate\s+(\w+)\s+([\w.]+)\s*:$")
_ORIGINAL = re.compile(r"#\s*(.*\S)")
_LANGUAGES = {
    "chinese": "zh", "english": "en", "french": "fr", "german": "de", "italian": "it", "japanese": "ja", "korean": "ko",
    "malay": "ms", "polish": "pl", "portuguese": "pt", "russian": "ru", "schinese": "zh", "spanish": "es",
    "tchinese": "zh-Hant", "turkish": "tr", "ukrainian": "uk", "vietnamese": "vi",
}  # fmt: skip


@dataclass
class _Game:
    """What the scripts of a game share."""

    name: str
    speakers: dict[str, rpy.Speaker] = field(default_factory=dict)
    images: dict[tuple[str, ...], str] = field(default_factory=dict)
    translations: dict[str, dict[str, str]] = field(default_factory=dict)


class _Stage:
    """What is shown while a script runs."""

    def __init__(self, images: dict[tuple[str, ...], str]) -> None:
        self._images = images
        self.shown: dict[str, tuple[str, ...]] = {}
        self.scene: tuple[str, ...] = ()

    def change(self, event: rpy.Event) -> None:
        """Carry out a `scene`, `show` or `hide`."""
        tag = event.image[0]
        if event.kind == "scene":
            self.shown, self.scene = {}, self._resolved(event.image)
        elif event.kind == "hide":
            self.shown.pop(tag, None)
        else:
            self.shown[tag] = self._resolved(event.image)

    def say(self, tag: str | None, attributes: tuple[str, ...]) -> tuple[str, ...]:
        """The speaker's image, after the attributes that came with the line."""
        if tag and attributes and tag in self.shown:
            self.shown[tag] = self._resolved((tag, *attributes))
        return self.shown.get(tag, ()) if tag else ()

    def _resolved(self, image: tuple[str, ...]) -> tuple[str, ...]:
        """The image that exists: attributes that are not named stay as they were."""
        if image in self._images:
            return image
        before = set(self.shown.get(image[0], ()))
        fitting = [name for name in self._images if name[0] == image[0] and set(image) <= set(name)]
        return max(fitting, key=lambda name: (len(before & set(name)), name), default=image)


class RenpyScriptImporter(Importer):
    """Reads Ren'Py scripts."""

    name = "renpy-script"
    summary = "Ren'Py visual novels: the scripts (.rpy) of a game with expressions and translations"
    source = "Ren'Py visual novels"
    Options = RenpyOptions
    options: RenpyOptions

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the dialogues of a game."""
        paths = files_in(source, ".rpy", ".rpym")
        folder = source if source.is_dir() else source.parent
        game = _Game((folder.parent if folder.name == "game" else folder).name)
        scripts: dict[Path, list[rpy.Statement]] = {}
        for path in paths:
            text = read_text(path, context)
            if text is None:
                continue
            if "tl" in path.relative_to(folder).parts:
                _collect_translations(text, game)
                continue
            scripts[path], faults = rpy.statements(text)
            for line, fault in faults:
                remedy = "Correct the script; the lines around it were read."
                context.problem("unreadable", fault, file=path, line=line, remedy=remedy, lost=1)
            game.speakers.update(rpy.speakers(scripts[path]))
        for picture in sorted(folder.rglob("*")):
            if picture.suffix.lower() in _PICTURES:
                words = tuple(picture.stem.lower().split())
                game.images.setdefault(words, str(picture.relative_to(folder)))
        self._add_characters(game, context, folder)
        for path, tree in scripts.items():
            yield from self._dialogues(path, tree, game, context)

    def _dialogues(
        self, path: Path, tree: list[rpy.Statement], game: _Game, context: ImportContext
    ) -> Iterator[Dialogue]:
        stage, label, lines, number = _Stage(game.images), "", list[StageLine](), 0
        start = 1
        for event in [*rpy.events(tree), rpy.Event("break", 0)]:
            if event.kind == "break":
                if lines:
                    with context.guard(path, start):
                        cast, turns = cast_and_turns(lines)
                        yield Dialogue(
                            id=f"{game.name}/{path.relative_to(context.root)}/{label}/{number}",
                            cast=cast,
                            turns=turns,
                            group=game.name,
                            language=self.options.language,
                        )
                    number += 1
                label, lines = event.text or label, []
            elif event.kind in ("say", "choice"):
                start = start if lines else event.line
                lines.append(self._stage_line(event, stage, game, context, path))
            else:
                stage.change(event)

    def _stage_line(
        self, event: rpy.Event, stage: _Stage, game: _Game, context: ImportContext, path: Path
    ) -> StageLine:
        speaker, tag = self._speaker(event, game)
        image = stage.say(tag, event.image)
        expression = image[-1] if len(image) > 1 else None
        words = {"en": event.text} | {
            language: found[event.text] for language, found in game.translations.items() if event.text in found
        }
        language = self.options.language if self.options.language in words else "en"
        words = {code: rpy.plain(text, self.options.player) for code, text in words.items()}
        return StageLine(
            speaker=speaker,
            text=words.pop(language),
            kind="user" if speaker == self.options.player else "character",
            card=context.character_id(f"{game.name} {speaker}"),
            language=language,
            translations=words,
            emotion=emotion_of(expression),
            action=None if emotion_of(expression) == "neutral" else expression,
            pictures=tuple(self._pictures(stage, speaker, image, game, context, path, event.line)),
        )

    def _speaker(self, event: rpy.Event, game: _Game) -> tuple[str | None, str | None]:
        """Name and image tag of whoever speaks."""
        if event.kind == "choice":
            return self.options.player, None
        if event.who is None or event.who == "narrator":
            return None, None
        if event.who[0] in "\"'":
            name, tag = rpy.unquoted(event.who), None
        elif event.who in game.speakers:
            name, tag = game.speakers[event.who].name, game.speakers[event.who].image
        else:
            name, tag = event.who, None
        name = rpy.plain(name, self.options.player)
        if not name:
            return None, None
        if name.lower() in PLAYER_NAMES:
            name = self.options.player
        return name, tag or name.lower().split()[0]

    def _pictures(
        self,
        stage: _Stage,
        speaker: str | None,
        image: tuple[str, ...],
        game: _Game,
        context: ImportContext,
        path: Path,
        line: int,
    ) -> Iterator[Picture]:
        if self.options.pictures == "none":
            return
        if stage.scene and (name := game.images.get(stage.scene)):
            sha256 = context.medium(name, "image", file=path, line=line)
            yield Picture("scene", name, sha256, " ".join(stage.scene).removeprefix("bg "))
        if speaker and (name := game.images.get(image)):
            sha256 = context.medium(name, "image", file=path, line=line)
            yield Picture(speaker, name, sha256, ", ".join([speaker, *image[-1:]]))

    def _add_characters(self, game: _Game, context: ImportContext, folder: Path) -> None:
        from ruxi.characters import Character

        for speaker in game.speakers.values():
            name = rpy.plain(speaker.name, self.options.player)
            if not name or name.lower() in PLAYER_NAMES or context.character_id(f"{game.name} {name}"):
                continue
            tag = speaker.image or name.lower().split()[0]
            sprites = {words[-1]: file for words, file in game.images.items() if words[:1] == (tag,) and len(words) > 1}
            shown = {
                expression: sha256
                for expression, file in sprites.items()
                if (sha256 := context.medium(file, "image", file=folder))
            }
            card = Character(
                name=name, creator=game.name, tags=[game.name], extensions={"ruxi": {"expressions": shown}}
            )
            context.character(f"{game.name} {name}", card)


def _collect_translations(text: str, game: _Game) -> None:
    """Pair each original, which Ren'Py writes above its translation as a comment, with the translation."""
    found: dict[str, str] = {}
    original: str | None = None
    old: str | None = None
    for line in text.splitlines():
        line = line.strip()
        if block := _TRANSLATE.match(line):
            found = game.translations.setdefault(_LANGUAGES.get(block[1], block[1]), {})
            original = None
        elif comment := _ORIGINAL.match(line):
            say = rpy.said(comment[1])
            original = rpy.unquoted(say["what"]) if say else original
        elif line.startswith("old "):
            old = rpy.unquoted(line[4:].strip())
        elif line.startswith("new ") and old is not None:
            found[old] = rpy.unquoted(line[4:].strip()) or old
            old = None
        elif original is not None and (say := rpy.said(line)):
            found[original] = rpy.unquoted(say["what"]) or original
            original = None
