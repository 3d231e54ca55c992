"""Cards of every version load, say all their faults at once, and are written in every form."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from PIL import Image

from ruxi.characters import Character, Lorebook, LorebookEntry
from ruxi.errors import CardError
from tests.characters.cards import ENTRY, V1, as_bytes, chunk, picture, png_with, text_chunk, v2, v3


def load(document: object) -> Character:
    return Character.from_bytes(as_bytes(document))


def test_v1_loads_and_defaults_what_it_does_not_have() -> None:
    character = load({"name": "Ada", "avatar": "none"})
    assert (character.name, character.description, character.tags) == ("Ada", "", [])
    assert json.loads(character.to_json("v2"))["avatar"] == "none"


def test_v2_keeps_fields_that_nobody_knows_at_every_level() -> None:
    document = v2(
        mood="x",
        extensions={"a": {"b": [1, None]}},
        character_book={"entries": [{**ENTRY, "probability": 7}], "extensions": {}, "world": 1},
    )
    assert json.loads(load({**document, "chat": "2023"}).to_json("v2")) == {**document, "chat": "2023"}


def test_v1_texts_repeated_at_the_root_follow_the_data() -> None:
    character = load({**V1, **v2()})
    character.description = "Ada retired."
    written = json.loads(character.to_json("v2"))
    assert written["description"] == written["data"]["description"] == "Ada retired."


def test_a_root_text_that_says_something_else_stays() -> None:
    character = load({"first_mes": "This card needs a newer program.", **v2()})
    assert json.loads(character.to_json("v2"))["first_mes"] == "This card needs a newer program."
    assert character.first_mes == "Mind the springs."


def test_v3_is_preferred_to_v2_in_a_png() -> None:
    data = png_with(text_chunk("chara", v2(name="Old")), text_chunk("ccv3", v3(name="New", nickname="N")))
    character = Character.from_bytes(data)
    assert (character.name, character.call_name) == ("New", "N")


def test_null_counts_as_absent_and_numbers_become_text() -> None:
    character = load(v2(description=None, tags=None, extensions=None, character_version=1.5, character_book=None))
    assert (character.description, character.tags, character.extensions) == ("", [], {})
    assert character.character_version == "1.5"
    assert json.loads(character.to_json("v2"))["data"]["character_book"] is None


def test_all_faults_are_told_at_once_with_their_places() -> None:
    entries = [ENTRY, {**ENTRY, "keys": "clock", "enabled": "yes", "insertion_order": True}, 7]
    document = v3(name=["A"], tags="clocks", extensions=[], character_book={"entries": entries})
    with pytest.raises(CardError) as caught:
        load(document)
    message = str(caught.value)
    for part in (
        "data.name: is a list (['A']), not text",
        "data.tags: is text ('clocks'), not a list",
        "data.extensions: is a list ([]), not an object",
        "data.character_book.entries[1].keys: is text ('clock'), not a list",
        "data.character_book.entries[1].enabled: is text ('yes'), not true or false",
        "data.character_book.entries[1].insertion_order: is true or false (True), not a number",
        "data.character_book.entries[2]: is a number (7), not an object",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not readable JSON"),
        (b"[1]", "is a list, not an object"),
        (b"{}", "has no `name`, `spec` or `data`"),
        (b'{"entries": {}}', "a lorebook, not a character"),
        (b'{"spec": "lorebook_v3", "data": {}}', "a lorebook, not a character"),
        (b'{"spec": "chara_card_v9", "data": {}}', "spec: is 'chara_card_v9'"),
        (b'{"spec": {}, "data": {}}', "spec: is {}"),
        (b'{"spec": "chara_card_v2"}', "data: is missing"),
        (b'{"spec": "chara_card_v2", "data": []}', "data: is a list, not an object"),
        (b'{"name": "A", "x": NaN}', "NaN is not a JSON number"),
        (b'{"name": "A", "x": 1e999}', "the number 1e999 is too large"),
        (b"\xff\xfe\xff", "not readable JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"name": "A", "x": ' + b"[" * 150 + b"]" * 150 + b"}", "nested more than 100 levels deep"),
        (b"\xff\xd8\xff\xe0JFIF", "a JPEG picture"),
        (b"GIF89a...", "a GIF picture"),
        (picture(), "a picture without a character in it"),
    ],
)
def test_what_is_no_card_is_refused_in_one_line(content: bytes, expected: str) -> None:
    with pytest.raises(CardError) as caught:
        Character.from_bytes(content, where="x.json")
    message = str(caught.value)
    assert message.startswith("x.json: ")
    assert expected in message
    assert "\n" not in message


def test_a_string_cut_inside_an_emoji_loads_and_can_be_written() -> None:
    character = Character.from_bytes(b'{"name": "A\\ud83d", "extra": ["\\udc00"]}')
    assert character.name == "A\ufffd"
    character.to_json().encode("utf-8")


def test_a_newer_version_loads_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert load({**v3(), "spec_version": "3.2"}).name == "Ada"
    assert "3.2 is newer than 3.0" in caplog.text


def test_fields_named_like_methods_do_no_harm() -> None:
    extra = {"load": 1, "portrait": 2, "model_dump": 3, "_envelope": 4, "call_name": 5, "__class__": 6}
    character = load(v2(**extra))
    assert character.call_name == "Ada"
    assert character.portrait is None
    written = json.loads(character.to_json("v2"))["data"]
    assert extra.items() <= written.items()


def test_files_of_both_kinds_load_back_alike(tmp_path: Path) -> None:
    character = load(v3(nickname="A", character_book={"entries": [ENTRY]}))
    character.portrait = picture()
    for name in ("a.json", "b.png", "C.PNG"):
        character.save(tmp_path / name)
        loaded = Character.load(tmp_path / name)
        assert loaded.model_dump() == character.model_dump()
        assert (loaded.portrait is None) == (name == "a.json")


def test_a_png_keeps_its_picture_and_other_chunks_and_carries_both_versions(tmp_path: Path) -> None:
    time = chunk(b"tIME", b"\x07\xe7\x01\x13\x13\x2a\x00")
    original = png_with(chunk(b"tEXt", b"Software\0Easel"), text_chunk("Chara", v2()), time)
    character = Character.from_bytes(original)
    character.nickname = "Addie"
    character.save(tmp_path / "a.png")
    written = (tmp_path / "a.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.convert("RGB").getpixel((0, 0)) == (0, 128, 128)
        assert image.info["Software"] == "Easel"
        assert {"chara", "ccv3"} <= image.info.keys()
        assert "Chara" not in image.info
    assert time in written
    assert Character.from_bytes(written).nickname == "Addie"
    assert b"ccv3" not in character.to_png("v2")


def test_a_png_needs_a_portrait_and_a_portrait_is_a_png(tmp_path: Path) -> None:
    character = load(V1)
    with pytest.raises(CardError, match="needs a portrait"):
        character.save(tmp_path / "a.png")
    with pytest.raises(CardError, match="not a PNG"):
        character.portrait = b"\xff\xd8\xff"
    with pytest.raises(CardError, match=r"'.txt'"):
        character.save(tmp_path / "a.txt")
    assert not list(tmp_path.iterdir())


def test_what_json_cannot_hold_is_refused_before_a_file_is_touched(tmp_path: Path) -> None:
    for value in (float("nan"), b"bytes", "\ud800", {1, 2}):
        character = Character(name="A", extensions={"x": value})
        with pytest.raises(CardError, match="cannot be written as JSON"):
            character.save(tmp_path / "a.json")
    assert not list(tmp_path.iterdir())


def test_a_character_made_in_code_is_a_complete_card() -> None:
    character = Character(name="B")
    character.tags.append("new")
    character.character_book = Lorebook(entries=[LorebookEntry(keys=["k"], content="c")])
    data = json.loads(character.to_json())["data"]
    assert data["tags"] == ["new"]
    assert data["group_only_greetings"] == []
    assert data["character_book"]["entries"][0]["use_regex"] is False
    assert "nickname" not in data
    assert "use_regex" not in json.loads(character.to_json("v2"))["data"]["character_book"]["entries"][0]
    assert pickle.loads(pickle.dumps(character)).model_dump() == character.model_dump()


def test_paths_and_names_that_lead_nowhere_say_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"no such file or character. Give .* aldo, hana, mira"):
        Character.load("nobody")
    with pytest.raises(CardError, match="is not a file"):
        Character.load(tmp_path)
    with pytest.raises(CardError):
        Character.load("a\0b")


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    with path.open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(CardError, match="larger than 64 MiB"):
        Character.load(path)
