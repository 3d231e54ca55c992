"""What `check` finds in cards that load, and what `losses` says of other versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ruxi.characters import Character
from ruxi.characters.checks import check, losses
from ruxi.characters.faults import Finding
from tests.characters.cards import ENTRY, V1, as_bytes, picture, png_with, text_chunk, v2, v3


def found(tmp_path: Path, content: Any) -> dict[str, str]:
    path = tmp_path / "card"
    path.write_bytes(content if isinstance(content, bytes) else as_bytes(content))
    findings = check(path)
    assert all(finding.remedy.endswith(".") for finding in findings)
    return {finding.field: finding.problem for finding in findings}


@pytest.mark.parametrize("document", [V1, v2(), v3()])
def test_a_sound_card_has_no_findings(tmp_path: Path, document: dict[str, Any]) -> None:
    assert found(tmp_path, document) == {}


def test_weaknesses_are_found_with_their_places(tmp_path: Path) -> None:
    entries = [
        {**ENTRY, "content": " "},
        {**ENTRY, "keys": [""]},
        {**ENTRY, "keys": [], "constant": True},
        {**ENTRY, "use_regex": True, "keys": ["fine", "(a", r"(?<=x)y"]},
        {**ENTRY, "position": "middle"},
    ]
    findings = found(
        tmp_path,
        v3(
            name=" ", description="", personality="", system_prompt="", first_mes="", mes_example="Hello.",
            alternate_greetings=["ok", "{{time}}: \x1b[2J"], character_book={"entries": entries},
        ),
    )  # fmt: skip
    book = "data.character_book.entries"
    assert findings.keys() == {
        "data.name", "data.description", "data.first_mes", "data.mes_example", "data.alternate_greetings[1]",
        f"{book}[0].content", f"{book}[1].keys", f"{book}[3].keys[1]", f"{book}[3].keys[2]", f"{book}[4].position",
    }  # fmt: skip
    assert "U+001B" in findings["data.alternate_greetings[1]"]


def test_required_fields_that_are_missing_are_named(tmp_path: Path) -> None:
    document = v3()
    del document["data"]["group_only_greetings"], document["data"]["tags"]
    assert found(tmp_path, document)["data"].endswith("tags, group_only_greetings")


def test_root_texts_that_contradict_the_data_are_found(tmp_path: Path) -> None:
    findings = found(tmp_path, {**V1, "description": "older", **v2()})
    assert findings.keys() == {"description"}


def test_a_newer_version_is_named(tmp_path: Path) -> None:
    assert "3.5, newer than 3.0" in found(tmp_path, {**v3(), "spec_version": "3.5"})["spec_version"]


def test_an_older_chunk_that_was_edited_is_found(tmp_path: Path) -> None:
    stale = png_with(text_chunk("chara", v2(description="edited")), text_chunk("ccv3", v3()))
    assert found(tmp_path, stale)["chunk 'chara'"].endswith("in: description")
    unreadable = png_with(text_chunk("chara", []), text_chunk("ccv3", v3()))
    assert "cannot be read" in found(tmp_path, unreadable)["chunk 'chara'"]
    assert found(tmp_path, png_with(text_chunk("chara", v2()), text_chunk("ccv3", v3()))) == {}


def test_malformed_translations_are_found(tmp_path: Path) -> None:
    texts = {"zh": {"name": 1, "descripton": "typo", "tags": "x"}}
    findings = found(tmp_path, v3(extensions={"ruxi": {"translations": texts}}))
    where = "data.extensions.ruxi.translations"
    assert findings.keys() == {f"{where}.zh.tags", f"{where}.zh.descripton"}
    assert f"{where}" in found(tmp_path, v3(extensions={"ruxi": {"translations": []}}))


def test_faults_come_as_findings_of_their_own(tmp_path: Path) -> None:
    assert found(tmp_path, v2(name=[], tags=3)).keys() == {"data.name", "data.tags"}


def lost(character: Character, spec: Any, suffix: str) -> list[str]:
    findings: list[Finding] = losses(character, spec, suffix)
    return [finding.field for finding in findings]


def test_v2_says_which_fields_it_does_not_have() -> None:
    entries = [
        {**ENTRY, "use_regex": True, "keys": ["a.*"], "id": "one", "content": "@@depth 2\nText"},
        {**ENTRY, "use_regex": True, "keys": ["plain words"], "id": 1},
    ]
    character = Character.model_validate(
        {"name": "A", "nickname": "B", "source": ["x"], "character_book": {"entries": entries}}
    )
    book = "character_book.entries[0]"
    expected = ["nickname", "source", f"{book}.use_regex", f"{book}.id", f"{book}.content"]
    assert lost(character, "v2", ".json") == expected
    assert lost(character, "v3", ".json") == []


def test_json_says_that_it_holds_no_portrait() -> None:
    character = Character(name="A")
    character.portrait = picture()
    assert lost(character, "v3", ".json") == ["portrait"]
    assert lost(character, "v3", ".png") == []
