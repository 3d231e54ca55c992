"""Whatever a card holds comes out as it went in, in every version and file form."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ruxi.characters import Character, png
from ruxi.characters.formats import V1_FIELDS
from ruxi.errors import CardError
from tests.characters.cards import ENTRY, JSON_VALUES, as_bytes, chunk, picture, png_with, text_chunk, v2, v3

UNKNOWN = st.dictionaries(st.text().map(lambda name: f"x_{name}"), JSON_VALUES, max_size=3)
TEXTS = st.lists(st.text(), max_size=3)
NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
ENTRIES = st.builds(
    lambda unknown, known: {**ENTRY, **unknown, **known},
    UNKNOWN,
    st.fixed_dictionaries(
        {
            "keys": TEXTS,
            "content": st.text(),
            "extensions": UNKNOWN,
            "enabled": st.booleans(),
            "insertion_order": NUMBERS,
        },
        optional={
            "use_regex": st.booleans(),
            "case_sensitive": st.none() | st.booleans(),
            "priority": st.none() | NUMBERS,
            "id": NUMBERS | st.text(),
            "secondary_keys": TEXTS,
            "position": st.sampled_from(["before_char", "after_char", ""]),
        },
    ),
)
BOOKS = st.builds(
    lambda unknown, known: {**unknown, **known},
    UNKNOWN,
    st.fixed_dictionaries(
        {"entries": st.lists(ENTRIES, max_size=3), "extensions": UNKNOWN},
        optional={"name": st.text(), "scan_depth": NUMBERS, "recursive_scanning": st.booleans()},
    ),
)
DATA = st.builds(
    lambda unknown, known: {**unknown, **known},
    UNKNOWN,
    st.fixed_dictionaries(
        {**dict.fromkeys(V1_FIELDS, st.text()), "alternate_greetings": TEXTS, "tags": TEXTS, "extensions": UNKNOWN},
        optional={
            "character_book": BOOKS,
            "nickname": st.text(),
            "assets": st.lists(
                st.fixed_dictionaries(dict.fromkeys(("type", "uri", "name", "ext"), st.text())), max_size=2
            ),
            "creator_notes_multilingual": st.dictionaries(st.text(), st.text(), max_size=2),
            "source": TEXTS,
            "creation_date": NUMBERS,
        },
    ),
)


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the one field that V3 requires of every lorebook entry."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    for entry in copy["data"].get("character_book", {}).get("entries", []):
        entry.setdefault("use_regex", False)
    return copy


@given(DATA, UNKNOWN)
def test_v2_json_comes_out_as_it_went_in(data: dict[str, Any], root: dict[str, Any]) -> None:
    document = {**root, **v2(**data)}
    assert json.loads(Character.from_bytes(as_bytes(document)).to_json("v2")) == document


@given(DATA, UNKNOWN)
def test_v3_json_comes_out_as_it_went_in(data: dict[str, Any], root: dict[str, Any]) -> None:
    document = {**root, **v3(**data)}
    assert json.loads(Character.from_bytes(as_bytes(document)).to_json("v3")) == complete(document)


@given(DATA)
def test_a_png_comes_out_as_it_went_in(data: dict[str, Any]) -> None:
    document = v3(**data)
    character = Character.from_bytes(png_with(text_chunk("ccv3", document)))
    texts = png.card_texts(png.read_chunks(character.to_png()))
    assert json.loads(texts["ccv3"]) == complete(document)
    assert json.loads(texts["chara"])["spec"] == "chara_card_v2"
    assert Character.from_bytes(character.to_png()).portrait == picture()


@given(st.dictionaries(st.sampled_from(V1_FIELDS), st.text()), UNKNOWN)
def test_v1_becomes_v3_and_loses_nothing(texts: dict[str, str], unknown: dict[str, Any]) -> None:
    character = Character.from_bytes(as_bytes({"name": "A", **texts, **unknown}))
    written = json.loads(character.to_json())
    assert {name: written["data"][name] for name in V1_FIELDS} == {**dict.fromkeys(V1_FIELDS, ""), "name": "A", **texts}
    assert {name: written[name] for name in unknown} == unknown


@given(st.lists(st.tuples(st.sampled_from([b"tEXt", b"gAMA", b"prVt"]), st.binary(max_size=40)), max_size=6))
def test_chunks_that_hold_no_card_stay_in_their_order(others: list[tuple[bytes, bytes]]) -> None:
    data = png_with(*(chunk(*other) for other in others))
    kept = [other for other in others if png.Chunk(*other).keyword not in png.CARD_KEYWORDS]
    written = png.read_chunks(png.with_cards(data, {"chara": b"{}"}))
    assert [(item.kind, item.data) for item in written[-2 - len(kept) : -2]] == kept
    assert written[-2].keyword == "chara"


@given(JSON_VALUES)
def test_any_json_is_a_card_or_a_clear_error(value: object) -> None:
    for document in (value, {"name": value}, v2(**{"name": value}), v3(character_book=value, assets=value)):
        is_card_or_error(as_bytes(document))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_card_or_a_clear_error(data: bytes) -> None:
    for content in (
        data,
        png.SIGNATURE + data,
        png_with(chunk(b"zTXt", b"chara\0\0" + data)),
        b'{"name": "' + data + b'"}',
    ):
        is_card_or_error(content)


def is_card_or_error(data: bytes) -> None:
    """Load a card; what loads can be written in every form."""
    message = ""
    try:
        character = Character.from_bytes(data)
    except CardError as error:
        message = str(error)
    else:
        assert Character.from_bytes(character.to_json("v3").encode()).model_dump() == character.model_dump()
        character.to_json("v2")
    assert "\n" not in message
