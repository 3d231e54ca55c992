"""The PNG door: every kind of text chunk, and every way in which a file can be damaged or hostile."""

from __future__ import annotations

import base64
import struct
import zlib

import pytest

from ruxi.characters import Character, png
from ruxi.errors import CardError
from tests.characters.cards import as_bytes, chunk, picture, png_with, text_chunk, v2


def refused(data: bytes) -> str:
    with pytest.raises(CardError) as caught:
        Character.from_bytes(data)
    return str(caught.value)


@pytest.mark.parametrize(
    "card",
    [
        lambda text: chunk(b"tEXt", b"chara\0" + text),
        lambda text: chunk(b"tEXt", b"CCv3\0" + text),
        lambda text: chunk(b"tEXt", b"chara\0" + text.rstrip(b"=")),
        lambda text: chunk(b"tEXt", b"chara\0" + b"\n".join(text[i : i + 76] for i in range(0, len(text), 76))),
        lambda text: chunk(b"zTXt", b"chara\0\0" + zlib.compress(text)),
        lambda text: chunk(b"iTXt", b"chara\0\0\0en\0card\0" + text),
        lambda text: chunk(b"iTXt", b"chara\0\1\0\0\0" + zlib.compress(text)),
    ],
    ids=["tEXt", "case", "no padding", "line breaks", "zTXt", "iTXt", "iTXt compressed"],
)
def test_cards_are_found_in_every_kind_of_text_chunk(card: object) -> None:
    text = base64.b64encode(as_bytes(v2()))
    assert Character.from_bytes(png_with(card(text))).name == "Ada"  # type: ignore[operator]


def test_damage_is_named_by_chunk_and_place() -> None:
    data = png_with(text_chunk("chara", v2()))
    flipped = bytearray(data)
    flipped[data.index(b"chara") + 20] ^= 1
    assert "the checksum of chunk b'tEXt'" in refused(bytes(flipped))
    assert "without its IEND" in refused(data[:-12])
    assert "claims" in refused(data[: data.index(b"chara") + 9])
    assert "not a picture header" in refused(png.SIGNATURE + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_bad_text_is_named_by_its_chunk() -> None:
    for card in (
        chunk(b"tEXt", b"chara\0!!!!"),
        chunk(b"tEXt", b"chara"),
        chunk(b"zTXt", b"chara\0\0abc"),
        chunk(b"zTXt", b"chara\0\0" + zlib.compress(b"a" * 99)[:-6]),
        chunk(b"iTXt", b"chara\0\0"),
    ):
        assert "chara" in refused(png_with(card)) or "JSON" in refused(png_with(card))


def test_a_compressed_bomb_is_stopped_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "MAX_TEXT_BYTES", 2**20)
    bomb = zlib.compress(b"A" * 2**24, 9)
    for card in (chunk(b"zTXt", b"chara\0\0" + bomb), chunk(b"iTXt", b"chara\0\1\0\0\0" + bomb)):
        assert "unpacks to more than 1 MiB" in refused(png_with(card))
    assert "is longer than 1 MiB" in refused(png_with(chunk(b"tEXt", b"chara\0" + b"A" * (2**20 + 1))))


def test_a_flood_of_chunks_is_stopped() -> None:
    assert "more than 65536 chunks" in refused(png_with(chunk(b"tEXt", b"") * 70_000))


def test_a_length_beyond_the_file_costs_no_memory() -> None:
    assert "claims 4294967295 bytes" in refused(png.SIGNATURE + struct.pack(">I4s", 2**32 - 1, b"IHDR") + b"\0" * 20)


def test_of_several_cards_of_one_kind_the_first_counts_and_all_are_replaced() -> None:
    data = png_with(text_chunk("chara", v2(name="First")), text_chunk("chara", v2(name="Second")))
    character = Character.from_bytes(data)
    assert character.name == "First"
    assert character.to_png("v2").count(b"chara\0") == 1


def test_what_follows_the_end_is_not_part_of_the_picture() -> None:
    character = Character.from_bytes(png_with(text_chunk("chara", v2())) + b"PK\3\4 something else")
    assert character.portrait == picture()
