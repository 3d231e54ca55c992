"""The Battle for Wesnoth from JSON lines: what characters say in the events of its campaigns.

A folder with `dialogue.jsonl`, `characters.jsonl` and `images/`. An event is a dialogue; a speaker with an id of its
own is a character with a card (name, race, description of the unit); `unit`, `second_unit` and the like are whoever
stands there and have no card. Portraits are shown by the narrator when they appear or change. Texts keep the game's
`$variables`. A campaign is a group.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from ruxi.dialogues.importers.base import ImportContext, Importer, ImportOptions
from ruxi.dialogues.importers.labels import emotion_of
from ruxi.dialogues.importers.reading import find, json_lines
from ruxi.dialogues.importers.stage import Picture, StageLine, cast_and_turns, without_markup
from ruxi.dialogues.schema import Dialogue


class WesnothOptions(ImportOptions):
    """Options of the Wesnoth importer."""

    language: Literal["en", "zh"] = "en"
    """Language of the texts; the other one is kept as a translation."""
    portraits: Literal["shown", "none"] = "shown"
    """Whether portraits become pictures in the dialogues."""


class _Line(BaseModel):
    campaign: str
    scenario: str
    scenario_zh: str | None = None
    file: str
    event: int
    event_name: str | None = None
    speaker_id: str
    speaker: str
    kind: str
    portrait: str | None = None
    expression: str | None = None
    emotion: str | None = None
    text: str
    text_zh: str | None = None
    options: list[str] = Field(default_factory=list)


class _Person(BaseModel):
    campaign: str
    id: str
    name: str | None = None
    name_zh: str | None = None
    type: str | None = None
    race: str | None = None
    gender: str | None = None
    unit_name: str | None = None
    unit_description: str | None = None
    portrait: str | None = None


class WesnothImporter(Importer):
    """Reads Wesnoth's lines as JSON."""

    name = "wesnoth"
    summary = "The Battle for Wesnoth: lines of its campaigns as JSON"
    source = "The Battle for Wesnoth"
    licence = "GPL-2.0-or-later"
    Options = WesnothOptions
    options: WesnothOptions

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream one dialogue for each event."""
        path = find(source, "dialogue.jsonl", "dialogue.jsonl.gz")
        names = self._add_characters(path.parent / "characters.jsonl", context)
        numbered = json_lines(path, _Line, context)
        for event, group in groupby(numbered, key=lambda item: (item[1].campaign, item[1].file, item[1].event)):
            block = list(group)
            first_number, first = block[0]
            with context.guard(path, first_number):
                cast, turns = cast_and_turns(
                    self._stage_line(line, names, context, path, number) for number, line in block
                )
                title = first.scenario_zh if self.options.language == "zh" else None
                yield Dialogue(
                    id=f"{first.campaign}/{Path(first.file).stem}/{event[2]}",
                    cast=cast,
                    scene=title or first.scenario,
                    turns=turns,
                    group=first.campaign,
                    licence=self.licence,
                    language=self.options.language,
                    event=first.event_name,
                )

    def _stage_line(
        self, line: _Line, names: dict[str, str], context: ImportContext, path: Path, number: int
    ) -> StageLine:
        texts = {"en": line.text, "zh": line.text_zh}
        text = texts.pop(self.options.language)
        if text is None:
            text = texts.pop("en") or ""
        key = f"{line.campaign} {line.speaker_id}"
        speaker = None
        if line.kind != "narrator":
            speaker = names.get(key) or _plain_name(line.speaker_id)
        pictures: tuple[Picture, ...] = ()
        if line.portrait and speaker and self.options.portraits == "shown":
            sha256 = context.medium(line.portrait, "image", file=path, line=number)
            caption = f"{speaker}, {line.expression}" if line.expression else speaker
            pictures = (Picture(speaker, line.portrait, sha256, caption),)
        return StageLine(
            speaker=speaker,
            text=without_markup(text),
            card=context.character_id(key),
            language=self.options.language if text != line.text or self.options.language == "en" else "en",
            translations={language: without_markup(words) for language, words in texts.items() if words},
            emotion=emotion_of(line.emotion),
            action=line.expression,
            pictures=pictures,
            fields={"options": line.options} if line.options else {},
        )

    def _add_characters(self, path: Path, context: ImportContext) -> dict[str, str]:
        from ruxi.characters import Character

        names: dict[str, str] = {}
        if not path.is_file():
            return names
        for number, person in json_lines(path, _Person, context):
            with context.guard(path, number):
                key = f"{person.campaign} {person.id}"
                names[key] = name = display_name(person.id, person.name)
                kin = [words for words in (person.race, person.gender, person.unit_name or person.type) if words]
                about = [f"{name}: {', '.join(kin)}." if kin else name]
                if person.unit_description and not person.unit_description.startswith("{"):
                    about.append(person.unit_description)
                own = {"race": person.race, "unit": person.type, "name_zh": person.name_zh}
                if person.portrait:
                    own["portrait"] = context.medium(person.portrait, "image", file=path, line=number)
                card = Character(
                    name=name,
                    description="\n".join(about),
                    creator="The Battle for Wesnoth",
                    tags=[person.campaign],
                    extensions={"ruxi": {field: value for field, value in own.items() if value}},
                )
                context.character(key, card)
        return names


def display_name(identifier: str, name: str | None) -> str:
    """The name to show for a unit: its own, unless that is a word of the scripting language or a macro."""
    if not name or not name[0].isupper():
        return _plain_name(identifier)
    return name


def _plain_name(identifier: str) -> str:
    plain = identifier.strip()
    return plain if plain and plain[0] not in "${" else "unit"
