"""`Character`: one model for character cards of every version, from PNG and JSON and back.

Its fields are those of Card V3, a superset of V2 and V1. Fields that no specification knows are kept at every level,
so that a card keeps what other programs stored in it. Types are checked strictly, with two exceptions that real cards
need: `null` counts as absent, and a number where text belongs becomes text. Lorebooks are data here.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from ruxi import files
from ruxi.characters import formats, png
from ruxi.characters.faults import CardFaults, Finding, findings_of, kind_of, shortened
from ruxi.characters.formats import Envelope, Spec
from ruxi.errors import CardError

MAX_CARD_BYTES = 64 * 2**20
BUILTIN = Path(__file__).parent / "builtin"
_log = logging.getLogger("ruxi")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"is {kind_of(value)} ({shortened(value)}), not text")
    return value


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"is {kind_of(value)} ({shortened(value)}), not a number")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"is {kind_of(value)} ({shortened(value)}), not true or false")
    return value


def _identifier(value: Any) -> int | float | str:
    return value if isinstance(value, str) else _number(value)


Text = Annotated[str, PlainValidator(_text)]
Number = Annotated[int | float, PlainValidator(_number)]
Flag = Annotated[bool, PlainValidator(_flag)]
Identifier = Annotated[int | float | str, PlainValidator(_identifier)]
Texts = Annotated[list[Text], BeforeValidator(lambda value: [] if value is None else value)]
Extensions = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)]


class _CardRecord(BaseModel):
    """Base of a card's objects: unknown fields stay, optional ones are written only where they were given."""

    model_config = ConfigDict(extra="allow", validate_assignment=True)

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written = handler(self)
        return {
            key: value for key, value in written.items() if value is not None or key in self.model_fields_set
        }


class LorebookEntry(_CardRecord):
    """A piece of knowledge that joins the prompt when one of its keys is mentioned.

    Attributes:
        keys: Words that bring the entry in.
        content: Text that joins the prompt.
        extensions: Data of other programs.
        enabled: False keeps it out.
        insertion_order: Lower comes earlier in the prompt.
        use_regex: The keys are regular expressions (V3).
        case_sensitive: Keys match only in their own case.
        constant: Always in, whatever is said.
        name: Its title; not used in prompts.
        priority: The lowest is dropped first when the budget is spent.
        id: Identifier; not used in prompts.
        comment: A note; not used in prompts.
        selective: Also needs one of `secondary_keys`.
        secondary_keys: See `selective`.
        position: `before_char` or `after_char`.
    """

    keys: Texts = Field(default_factory=list)
    content: Text = ""
    extensions: Extensions = Field(default_factory=dict)
    enabled: Flag = True
    insertion_order: Number = 0
    use_regex: Flag = False
    case_sensitive: Flag | None = None
    constant: Flag | None = None
    name: Text | None = None
    priority: Number | None = None
    id: Identifier | None = None
    comment: Text | None = None
    selective: Flag | None = None
    secondary_keys: Texts | None = None
    position: Text | None = None


class Lorebook(_CardRecord):
    """The knowledge that a character carries with it (`character_book`).

    Attributes:
        entries: Its pieces.
        extensions: Data of other programs.
        name: Its title.
        description: What it is about.
        scan_depth: How many of the latest messages are searched for keys.
        token_budget: Most tokens that its entries may take.
        recursive_scanning: Entries may bring in further entries.
    """

    entries: list[LorebookEntry] = Field(default_factory=list)
    extensions: Extensions = Field(default_factory=dict)
    name: Text | None = None
    description: Text | None = None
    scan_depth: Number | None = None
    token_budget: Number | None = None
    recursive_scanning: Flag | None = None


class Asset(_CardRecord):
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


class Character(_CardRecord):
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
        path = locate(card)
        try:
            return cls.from_bytes(read_file(path))
        except CardFaults as faults:
            raise faults.as_error(str(path)) from faults

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a card from a file's content.

        Raises:
            CardFaults: It is no card, or has faults.
        """
        portrait = None
        if data.startswith(png.SIGNATURE):
            chunks = png.read_chunks(data)
            texts = png.card_texts(chunks)
            if not texts:
                raise CardFaults(
                    [
                        Finding(
                            "", "a picture without a character card in it", "Export it as a character card."
                        )
                    ]
                )
            data = texts.get("ccv3") or texts["chara"]
            portrait = png.without_cards(chunks)
        fields, envelope = formats.unwrap(formats.parse(data))
        try:
            character = cls.model_validate(fields)
        except ValidationError as error:
            raise CardFaults(findings_of(error, envelope.prefix)) from error
        character._envelope = envelope
        character._portrait = portrait
        return character

    def save(self, path: str | Path, spec: Spec = "v3") -> None:
        """Write a card; the ending of its name, `.json` or `.png`, says in which form.

        Args:
            path: The file, replaced as a whole if it exists.
            spec: For JSON the version. A PNG of V3 also carries V2 for older programs; one of V2 carries V2 alone.

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
                raise CardError(
                    f"cards are not written as {ending!r}", where=str(path), remedy="Use .json or .png."
                )

    def to_json(self, spec: Spec = "v3") -> str:
        """The card as a JSON document of the given version."""
        return json.dumps(self._document(spec), ensure_ascii=False, indent=2)

    def to_png(self, spec: Spec = "v3") -> bytes:
        """The portrait with the card in it.

        Raises:
            CardError: There is no portrait.
        """
        if self._portrait is None:
            raise CardError(
                "a PNG card needs a portrait", where=self.name, remedy="Set `portrait` to a PNG file's bytes."
            )
        texts = {"chara": json.dumps(self._document("v2"), ensure_ascii=False).encode("utf-8")}
        if spec == "v3":
            texts["ccv3"] = json.dumps(self._document("v3"), ensure_ascii=False).encode("utf-8")
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

    def _document(self, spec: Spec) -> dict[str, Any]:
        data = self.model_dump(mode="json")
        if spec == "v2":
            # V2 does not know these; an empty one would only be noise there.
            if not self.group_only_greetings:
                del data["group_only_greetings"]
            for entry in (data.get("character_book") or {}).get("entries", []):
                if not entry["use_regex"]:
                    del entry["use_regex"]
        return formats.wrap(data, self._envelope, spec)


def builtin_names() -> list[str]:
    """Names of the characters that come with Ruxi."""
    return sorted(path.stem for path in BUILTIN.glob("*.png"))


def locate(card: str | Path) -> Path:
    """The file behind a path or a built-in name.

    Raises:
        CardError: There is neither a file nor a built-in of that name.
    """
    path = Path(card)
    if path.is_file():
        return path
    if isinstance(card, str) and card in builtin_names():
        return BUILTIN / f"{card}.png"
    problem = "is not a file" if path.exists() else "no such card"
    raise CardError(problem, where=str(card), remedy=f"Give a file, or one of: {', '.join(builtin_names())}.")


def read_file(path: Path) -> bytes:
    """A card file's content.

    Raises:
        CardFaults: The file cannot be read or is larger than `MAX_CARD_BYTES`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CARD_BYTES + 1)
    except OSError as error:
        raise CardFaults([Finding("", f"cannot be read ({error.strerror})", "Check the file.")]) from error
    if len(data) > MAX_CARD_BYTES:
        raise CardFaults(
            [Finding("", f"is larger than {MAX_CARD_BYTES // 2**20} MiB", "Make its portrait smaller.")]
        )
    return data
