"""The characters that come with Ruxi: complete in both languages, sound, and built from their sources."""

from __future__ import annotations

import importlib.util
import io
import json
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from ruxi.characters import Character, builtin_names, png
from ruxi.characters.checks import check
from ruxi.characters.library import locate

TOOLS = Path(__file__).parents[2] / "tools" / "characters"
_WRITTEN = ("name", "description", "personality", "scenario", "first_mes", "mes_example", "creator_notes")


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build", TOOLS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_for_games_one_for_teaching_one_for_the_house() -> None:
    assert builtin_names() == ["aldo", "hana", "mira"]
    assert [Character.load(name).tags[0] for name in builtin_names()] == ["teaching", "assistant", "game"]


@pytest.mark.parametrize("name", builtin_names())
class TestEach:
    def test_it_is_a_sound_card_of_both_versions(self, name: str) -> None:
        assert check(name) == []
        texts = png.card_texts(png.read_chunks(locate(name).read_bytes()))
        assert [json.loads(texts[keyword])["spec_version"] for keyword in ("chara", "ccv3")] == ["2.0", "3.0"]

    def test_it_has_a_portrait_of_moderate_size(self, name: str) -> None:
        assert locate(name).stat().st_size < 300_000
        with Image.open(io.BytesIO(Character.load(name).portrait or b"")) as portrait:
            assert portrait.size == (512, 768)
            assert len(portrait.convert("RGB").getcolors(512 * 768) or []) > 5_000

    def test_it_is_written_in_english_and_chinese(self, name: str) -> None:
        english = Character.load(name)
        chinese = english.in_language("zh")
        assert english.languages == ["en", "zh"]
        assert 150 <= len(english.description.split()) <= 300
        for character in (english, chinese):
            assert all(getattr(character, field) for field in _WRITTEN)
            assert len(character.example_dialogues("Li")) == 3
            assert len(character.alternate_greetings) == 2
            assert character.character_book is not None
            assert len(character.character_book.entries) == 5
        for field in _WRITTEN:
            assert any("\u4e00" <= letter <= "\u9fff" for letter in getattr(chinese, field))
            assert not any("\u4e00" <= letter <= "\u9fff" for letter in getattr(english, field))

    def test_it_says_what_its_source_says(self, name: str) -> None:
        built = builder().character(name)
        assert Character.load(name).model_dump() == built.model_dump()
