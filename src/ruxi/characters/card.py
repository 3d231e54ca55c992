"""`Character`: one model for character cards of every version, from PNG and JSON and back.

Its fields are those of Card V3, a superset of V2 and V1. Fields that no specification knows are kept at every
level, so that a card keeps what other programs stored in it.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Self

from pydantic import Field, PrivateAttr, ValidationError

from ruxi import files
from ruxi.characters import formats, library, png, translations
from ruxi.characters.examples import Turn, parse_examples
from ruxi.characters.faults import CardFaults, findings_of, one_line
from ruxi.characters.fields import CardRecord, Extensions, Number, Text, Texts
from ruxi.characters.formats import Envelope, Spec
from ruxi.characters.lorebook import Lorebook
from ruxi.errors import CardError

_log = logging.getLogger("ruxi")


class Asset(CardRecord):
    """A file that belongs to a character (V3).

    Attributes:
        type: `icon`, `background`, `user_icon`, `emotion` or another kind.
        uri: Where it is: `ccdefault:`, `embeded://…`, `data:` or `https:`.
        name: Its name, unique within its type; `main` is the one to show.
        ext: File ending in lower case, without the dot.
    """

    type: Text = ""
    uri: Text = ""
    name: Text = ""
    ext: Text = ""


class Character(CardRecord):
    """A character: who it is, how it speaks, what it knows.

    Attributes:
        name: Its name.
        description: Who it is: the persona proper.
        personality: The same in a few words.
        scenario: Where and when it meets the user.
        first_mes: Its greeting.
        mes_example: Example dialogues, each after a line `<START>`.
        creator_notes: For the person who uses the card; never in a prompt.
        system_prompt: The author's instructions to the model, in place of the user's; untrusted.
        post_history_instructions: The same, after the dialogue; untrusted.
        alternate_greetings: Other greetings to choose from.
        tags: For search; never in a prompt.
        creator: Who made it; never in a prompt.
        character_version: Version of the card; never in a prompt.
        extensions: Data of other programs, and our own under `ruxi`.
        character_book: Its lorebook.
        assets: Files that belong to it (V3).
        nickname: What it is called in dialogue, in place of `name` (V3).
        creator_notes_multilingual: `creator_notes` by ISO 639-1 code (V3).
        source: Where the card comes from: ids or URLs (V3).
        group_only_greetings: Greetings for group chats only (V3).
        creation_date: Unix time in seconds (V3).
        modification_date: Unix time in seconds (V3).
    """

    name: Text = ""
    description: Text = ""
    personality: Text = ""
    scenario: Text = ""
    first_mes: Text = ""
    mes_example: Text = ""
    creator_notes: Text = ""
    system_prompt: Text = ""
    post_history_instructions: Text = ""
    alternate_greetings: Texts = Field(default_factory=list)
    tags: Texts = Field(default_factory=list)
    creator: Text = ""
    character_version: Text = ""
    extensions: Extensions = Field(default_factory=dict)
    character_book: Lorebook | None = None
    assets: list[Asset] | None = None
    nickname: Text | None = None
    creator_notes_multilingual: dict[str, Text] | None = None
    source: Texts | None = None
    group_only_greetings: Texts = Field(default_factory=list)
    creation_date: Number | None = None
    modification_date: Number | None = None

    _envelope: Envelope = PrivateAttr(default_factory=Envelope)
    _portrait: bytes | None = PrivateAttr(default=None)

    @classmethod
    def load(cls, card: str | Path) -> Self:
        """Read a card file (PNG or JSON; V1, V2 or V3) or one of the characters that come with Ruxi.

        Args:
            card: Path of the file, or a name out of `builtin_names()`.

        Raises:
            CardError: There is no such card, or it has faults; the message names all of them.
        """
        path = library.locate(card)
        try:
            data = library.read_file(path)
        except CardFaults as faults:
            raise faults.as_error(str(path)) from faults
        return cls.from_bytes(data, where=str(path))

    @classmethod
    def from_bytes(cls, data: bytes, where: str = "card") -> Self:
        """Read a card from the content of a file.

        Args:
            data: A PNG or JSON file's content.
            where: What messages call it.

        Raises:
            CardError: It is no card, or has faults; the message names all of them.
        """
        try:
            character = cls.parse(data)
        except CardFaults as faults:
            raise faults.as_error(where) from faults
        if character._envelope.is_newer:
            _log.warning("%s: card version %s is newer than 3.0", where, character._envelope.version)
        return character

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a card, or say every fault as a finding of its own.

        Raises:
            CardFaults: It is no card, or has faults.
        """
        source = formats.read(data)
        try:
            character = cls.model_validate(source.fields)
        except ValidationError as error:
            raise CardFaults(findings_of(error, source.envelope.prefix)) from error
        character._envelope = source.envelope
        character._portrait = source.portrait
        return character

    def save(self, path: str | Path, spec: Spec = "v3") -> None:
        """Write a card; the ending of its name, `.json` or `.png`, says in which form.

        Args:
            path: The file, replaced as a whole if it exists.
            spec: For JSON the version. A PNG of V3 also carries V2 for older programs; one of V2 carries V2
                alone.

        Raises:
            CardError: Another ending, or a PNG without a portrait.
        """
        path = Path(path)
        match path.suffix.lower():
            case ".json":
                files.write_text(path, self.to_json(spec) + "\n")
            case ".png":
                files.write_bytes(path, self.to_png(spec))
            case ending:
                raise CardError(f"cards are not written as {ending!r}", where=str(path), remedy="Use .json or .png.")

    def to_json(self, spec: Spec = "v3") -> str:
        """The card as a JSON document of the given version.

        Raises:
            CardError: Its extensions hold something that JSON does not know.
        """
        return self._json(spec, indent=2)

    def to_png(self, spec: Spec = "v3") -> bytes:
        """The portrait with the card in it.

        Raises:
            CardError: There is no portrait, or the extensions hold something that JSON does not know.
        """
        if self._portrait is None:
            raise CardError(
                "a PNG card needs a portrait",
                where=one_line(self.call_name),
                remedy="Set `portrait` to a PNG file's bytes.",
            )
        texts = {"chara": self._json("v2").encode("utf-8")}
        if spec == "v3":
            texts["ccv3"] = self._json("v3").encode("utf-8")
        return png.with_cards(self._portrait, texts)

    @property
    def portrait(self) -> bytes | None:
        """The portrait as a PNG file, without the card in it; None for a card that came as JSON."""
        return self._portrait

    @portrait.setter
    def portrait(self, picture: bytes | None) -> None:
        try:
            self._portrait = None if picture is None else png.without_cards(png.read_chunks(picture))
        except CardFaults as faults:
            raise faults.as_error("portrait") from faults

    @property
    def call_name(self) -> str:
        """What the character is called in dialogue, and what `{{char}}` stands for."""
        return self.nickname or self.name or "Character"

    def example_dialogues(self, user: str = "User") -> list[list[Turn]]:
        """The example dialogues of the card, macros replaced.

        Args:
            user: What the user is called.

        Returns:
            For each dialogue its turns as (speaker, words); the speaker is `call_name` or `user`.
        """
        return parse_examples(self.mes_example, char=self.call_name, user=user, names=(self.name,))

    @property
    def languages(self) -> list[str]:
        """BCP 47 codes of the languages that the card is written in, its own first.

        Raises:
            CardError: The card's list of translations is malformed.
        """
        try:
            own = translations.own_language(self.extensions)
            others = translations.translations(self.extensions)
        except CardFaults as faults:
            raise faults.as_error(self.call_name) from faults
        return [*([own] if own else []), *others]

    def in_language(self, language: str) -> Self:
        """The same character in another of its languages.

        Args:
            language: BCP 47 code; `zh-CN` finds `zh`.

        Raises:
            CardError: The card has no texts in that language, or they are malformed.
        """
        languages = self.languages
        code = translations.best_match(language, languages)
        if code is None:
            raise CardError(
                f"has no texts in {language!r}",
                where=one_line(self.call_name),
                remedy=f"Languages of this card: {', '.join(languages) or 'not stated'}.",
            )
        if code == translations.own_language(self.extensions):
            return self.model_copy(deep=True)
        try:
            character = type(self).model_validate(translations.translated(self.model_dump(), code))
        except ValidationError as error:
            findings = findings_of(error, f"extensions.ruxi.translations.{code}")
            raise CardFaults(findings).as_error(self.call_name) from error
        character._envelope = self._envelope
        character._portrait = self._portrait
        return character

    def _document(self, spec: Spec) -> dict[str, Any]:
        data = self.model_dump()
        if spec == "v2":
            # V3 requires these two; V2 does not know them, so they stay away unless they say something.
            if "group_only_greetings" not in self.model_fields_set and not self.group_only_greetings:
                del data["group_only_greetings"]
            entries = self.character_book.entries if self.character_book else []
            for index, entry in enumerate(entries):
                if "use_regex" not in entry.model_fields_set:
                    del data["character_book"]["entries"][index]["use_regex"]
        return formats.wrap(data, self._envelope, spec)

    def _json(self, spec: Spec, indent: int | None = None) -> str:
        try:
            text = json.dumps(self._document(spec), ensure_ascii=False, allow_nan=False, indent=indent)
            text.encode("utf-8")
        except (TypeError, ValueError) as error:
            raise CardError(
                f"cannot be written as JSON ({error})", where=one_line(self.call_name), remedy="Correct its extensions."
            ) from error
        return text
