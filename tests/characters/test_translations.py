"""One card in several languages."""

from __future__ import annotations

import pytest

from ruxi.characters import Character
from ruxi.errors import CardError


def card(translations: object = None, language: object = "en", **fields: object) -> Character:
    ours = {"language": language, "translations": translations}
    return Character(
        name="Mira", description="A captain.", tags=["air"], extensions={"other": 1, "ruxi": ours}, **fields
    )


CHINESE = {"name": "米拉", "description": "船长。", "nickname": "小米", "character_book": {"entries": []}}


def test_the_texts_change_and_the_rest_stays() -> None:
    chinese = card({"zh": CHINESE}).in_language("zh")
    assert (chinese.call_name, chinese.description, chinese.tags) == ("小米", "船长。", ["air"])
    assert chinese.extensions["other"] == 1
    assert chinese.languages == ["zh", "en"]


def test_the_way_back_gives_the_same_card_and_keeps_the_portrait() -> None:
    original = Character.load("mira")
    there_and_back = original.in_language("zh").in_language("en")
    assert there_and_back.model_dump() == original.model_dump()
    assert there_and_back.portrait == original.portrait


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("zh", "zh"), ("ZH-cn", "zh"), ("zh_TW", "zh"), ("zh-Hant-HK", "zh-Hant"), ("pt", "pt-BR"), ("en-GB", "en")],
)
def test_the_nearest_form_of_a_language_is_taken(wanted: str, found: str) -> None:
    texts = {"zh": CHINESE, "zh-Hant": CHINESE, "pt-BR": CHINESE}
    assert card(texts).in_language(wanted).languages[0] == found


def test_a_card_that_does_not_say_its_language_can_come_back() -> None:
    undeclared = Character(name="Mira", extensions={"ruxi": {"translations": {"zh": {"name": "米拉"}}}})
    assert undeclared.in_language("zh").in_language("und").name == "Mira"


def test_languages_that_are_missing_or_malformed_are_errors() -> None:
    with pytest.raises(CardError, match=r"Mira: has no texts in 'fr'. Languages of this card: en, zh"):
        card({"zh": CHINESE}).in_language("fr")
    with pytest.raises(CardError, match="not stated"):
        Character(name="A").in_language("fr")
    with pytest.raises(CardError, match=r"extensions.ruxi.translations.zh.name: is a list"):
        card({"zh": {"name": [1]}}).in_language("zh")
    for malformed in ([], {"zh": "text"}):
        with pytest.raises(CardError, match="not an object"):
            card(malformed).in_language("zh")
    with pytest.raises(CardError, match=r"extensions.ruxi: is text"):
        _ = Character(name="A", extensions={"ruxi": "x"}).languages


def test_names_of_strangers_cannot_steer_a_terminal() -> None:
    hostile = Character(name="A\x1b[2J\nruxi: all is well", extensions={"ruxi": {"translations": {"\n\x1b": 1}}})
    for attempt in (lambda: hostile.to_png(), lambda: hostile.in_language("fr")):
        with pytest.raises(CardError, match=r"\AA\\x1b\[2J\\nruxi: all is well: [^\n\x1b]+\Z"):
            attempt()
