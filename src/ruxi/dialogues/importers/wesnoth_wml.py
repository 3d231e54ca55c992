"""The Battle for Wesnoth straight from an installed game or an add-on: the `.cfg` files of its campaigns.

Give the game's `data` folder, a campaign's folder or one file. Each event with messages is a dialogue, and so is a
macro that holds messages. Units that have an id and a name become characters, with the description of their unit type
where its file is in the source. Texts are in the game's original language (English); macros and `$variables` in them
stay as they are. Portraits are taken where they are found beside the scripts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.labels import emotion_of
from ruxi.dialogues.importers.reading import files_in, read_text
from ruxi.dialogues.importers.stage import Picture, StageLine, cast_and_turns, without_markup
from ruxi.dialogues.importers.wesnoth import display_name
from ruxi.dialogues.importers.wml import Tag, parse
from ruxi.dialogues.schema import Dialogue

_ANYBODY = ("unit", "second_unit")
_UNIT_TAGS = ("side", "unit", "leader", "#define", "modify_unit")
_EXPRESSION = re.compile(r"[-_](angry|annoyed|glad|happy|insane|mad|moody|rage|sad|surprised|worried)\b")


class WesnothWmlImporter(Importer):
    """Reads Wesnoth's scripts."""

    name = "wesnoth-wml"
    summary = "The Battle for Wesnoth: the scripts (.cfg) of an installed game or add-on"
    source = "The Battle for Wesnoth"
    licence = "GPL-2.0-or-later"

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream one dialogue for each event; the files are read twice, first for the characters."""
        paths = files_in(source, ".cfg")
        campaigns: dict[Path, str] = {}
        types: dict[str, Tag] = {}
        units: dict[str, tuple[Tag, Path, int]] = {}
        readable: list[Path] = []
        for path in paths:
            text = read_text(path, context)
            if text is None:
                continue
            readable.append(path)
            tree, faults = parse(text)
            for line, fault in faults:
                remedy = "Correct the script; what stands around it was read."
                context.problem("unreadable", fault, file=path, line=line, remedy=remedy)
            for campaign in tree.walk("campaign"):
                campaigns[path.parent] = campaign.attributes.get("id") or path.parent.name
            types.update({tag.attributes.get("id", ""): tag for tag in tree.walk("unit_type")})
            for tag in _units(tree):
                units.setdefault(f"{_campaign(path, campaigns, source)} {tag.attributes['id']}", (tag, path, tag.line))
        for key, (tag, path, line) in units.items():
            with context.guard(path, line):
                _add_character(key, tag, types.get(tag.attributes.get("type", "")), context)
        for path in readable:
            tree, _ = parse(read_text(path, context) or "")
            yield from self._dialogues(tree, path, _campaign(path, campaigns, source), context, units)

    def _dialogues(
        self,
        tree: Tag,
        path: Path,
        campaign: str,
        context: ImportContext,
        units: dict[str, tuple[Tag, Path, int]],
    ) -> Iterator[Dialogue]:
        titles = [tag.attributes["name"] for tag in tree.walk("scenario") if "name" in tag.attributes]
        for number, (event, messages) in enumerate(_events(tree)):
            with context.guard(path, event.line):
                lines = [line for tag in messages if (line := _line(tag, path, campaign, context, units))]
                if not lines:
                    continue
                cast, turns = cast_and_turns(lines)
                yield Dialogue(
                    id=f"{campaign}/{path.stem}/{number}",
                    cast=cast,
                    scene=_words(titles[0]) if titles else None,
                    turns=turns,
                    group=campaign,
                    licence=self.licence,
                    language="en",
                    event=event.attributes.get("name"),
                )


def _units(tree: Tag) -> Iterator[Tag]:
    for name in _UNIT_TAGS:
        for tag in tree.walk(name):
            if {"id", "name"} <= tag.attributes.keys() and "$" not in tag.attributes["id"]:
                yield tag


def _events(tree: Tag) -> Iterator[tuple[Tag, list[Tag]]]:
    """Each event, or macro outside of events, with the messages that belong to it and not to an event inside it."""

    def messages(tag: Tag, inner: list[Tag]) -> Iterator[Tag]:
        for child in tag.children:
            if child.name in ("event", "#define"):
                inner.append(child)
            elif child.name == "message":
                yield child
                # What follows a choice stands inside the message.
                yield from messages(child, inner)
            else:
                yield from messages(child, inner)

    waiting = [tree]
    while waiting:
        tag = waiting.pop(0)
        inner: list[Tag] = []
        found = list(messages(tag, inner))
        if found:
            yield tag, found
        waiting = inner + waiting


def _line(
    tag: Tag, path: Path, campaign: str, context: ImportContext, units: dict[str, tuple[Tag, Path, int]]
) -> StageLine | None:
    text = _words(tag.attributes.get("message", ""))
    if not text:
        return None
    identifier = tag.attributes.get("speaker") or tag.attributes.get("id") or ""
    key = f"{campaign} {identifier}"
    card = context.character_id(key)
    caption = _words(tag.attributes.get("caption", ""))
    speaker: str | None = display_name(identifier, caption or None)
    if identifier == "narrator":
        speaker = None
    elif card is not None:
        speaker = display_name(identifier, _words(units[key][0].attributes["name"]))
    image = tag.attributes.get("image", "").partition("~")[0]
    expression = found[1] if (found := _EXPRESSION.search(image)) else None
    options = [
        _words(option.attributes.get("label") or option.attributes.get("message", ""))
        for option in tag.children
        if option.name == "option"
    ]
    return StageLine(
        speaker=speaker,
        text=text,
        card=card,
        language="en",
        emotion=emotion_of(expression),
        action=expression,
        pictures=_portrait(image, speaker, expression, path, tag.line, context),
        fields={"options": options} if options else {},
    )


def _portrait(
    image: str, speaker: str | None, expression: str | None, path: Path, line: int, context: ImportContext
) -> tuple[Picture, ...]:
    if not image or speaker is None or image == "none":
        return ()
    for folder in path.parents:
        if not folder.is_relative_to(context.root):
            break
        for place in ("images", "core/images", ""):
            if context.locate(str(folder.relative_to(context.root) / place / image)):
                name = str(folder.relative_to(context.root) / place / image)
                sha256 = context.medium(name, "image", file=path, line=line)
                return (Picture(speaker, image, sha256, f"{speaker}, {expression}" if expression else speaker),)
    if context.once(f"portrait {image}"):
        remedy = "Give the folder that also holds the game's images."
        context.problem("missing medium", f"there is no picture {image!r}", file=path, line=line, remedy=remedy)
    return ()


def _add_character(key: str, unit: Tag, unit_type: Tag | None, context: ImportContext) -> None:
    from ruxi.characters import Character

    attributes = unit.attributes
    name = display_name(attributes["id"], _words(attributes["name"]))
    of_type = unit_type.attributes if unit_type else {}
    kind = _words(of_type.get("name", "")) or attributes.get("type", "")
    kin = [words for words in (of_type.get("race"), attributes.get("gender"), kind) if words]
    about = [f"{name}: {', '.join(kin)}." if kin else name, _words(of_type.get("description", ""))]
    own = {"race": of_type.get("race"), "unit": attributes.get("type")}
    card = Character(
        name=name,
        description="\n".join(words for words in about if words and not words.startswith("{")),
        creator="The Battle for Wesnoth",
        tags=[key.split(" ", 1)[0]],
        extensions={"ruxi": {field: value for field, value in own.items() if value}},
    )
    context.character(key, card)


def _campaign(path: Path, campaigns: dict[Path, str], source: Path) -> str:
    for folder in path.parents:
        if folder in campaigns:
            return campaigns[folder]
    return (source if source.is_dir() else source.parent).name


def _words(text: str) -> str:
    """A text without the note for translators that stands before a caret."""
    note, caret, words = text.partition("^")
    return without_markup(words if caret and "\n" not in note else text).strip()
