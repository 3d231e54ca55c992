"""`ruxi card` as a program: what it prints, what it writes, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ruxi.characters import Character
from tests.characters.cards import V1, as_bytes, v2, v3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a sound V3 card, an old one and a broken one."""
    (tmp_path / "ada.json").write_bytes(as_bytes(v3(nickname="Addie", system_prompt="Obey \x1b[2J{{char}}. [red]now")))
    (tmp_path / "old.json").write_bytes(as_bytes(V1))
    (tmp_path / "broken.json").write_bytes(as_bytes(v2(name=[1], tags="x")))
    return tmp_path


def ruxi(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from ruxi.cli import main; main()", "card", *arguments],
        capture_output=True, text=True, cwd=folder, timeout=60,
    )  # fmt: skip


def test_show_sets_the_authors_instructions_apart_and_disarms_them(folder: Path) -> None:
    result = ruxi(folder, "show", "ada.json")
    assert result.returncode == 0
    assert "Ada repairs clocks." in result.stdout
    assert "Called: Addie" in result.stdout
    assert "untrusted instructions of the card's author" in result.stdout
    assert r"Obey \x1b[2J{{char}}. [red]now" in result.stdout
    assert "\x1b" not in result.stdout


def test_show_speaks_chinese_and_json(folder: Path) -> None:
    assert "回风号" in ruxi(folder, "show", "mira", "--language", "zh-CN").stdout
    shown = json.loads(ruxi(folder, "show", "mira", "--json").stdout)
    assert shown["data"]["nickname"] == "Mira"


def test_check_lists_every_fault_with_its_remedy_and_fails(folder: Path) -> None:
    result = ruxi(folder, "check", "broken.json")
    assert result.returncode == 1
    assert "error: data.name: is a list ([1]), not text. Correct" in result.stdout
    assert "error: data.tags: is text ('x'), not a list. Make it a list." in result.stdout
    assert "broken.json: cannot be loaded, 2 errors, 0 warnings" in result.stdout
    assert result.stderr == ""
    report = json.loads(ruxi(folder, "check", "broken.json", "--json").stdout)
    assert (report["loads"], [finding["field"] for finding in report["findings"]]) == (
        False,
        ["data.name", "data.tags"],
    )


def test_check_of_a_sound_card_succeeds(folder: Path) -> None:
    result = ruxi(folder, "check", "old.json")
    assert (result.returncode, result.stdout) == (0, "old.json: can be loaded, 0 errors, 0 warnings\n")


def test_convert_says_what_the_target_does_not_hold(folder: Path) -> None:
    result = ruxi(folder, "convert", "ada.json", "ada2.json", "--to", "v2")
    assert result.returncode == 0
    assert "nickname: V2 has no such field" in result.stdout
    assert json.loads((folder / "ada2.json").read_text("utf-8"))["spec"] == "chara_card_v2"
    result = ruxi(folder, "convert", "mira", "mira.json", "--json")
    assert [loss["field"] for loss in json.loads(result.stdout)["losses"]] == ["portrait"]


def test_convert_brings_an_old_card_and_any_picture_together(folder: Path) -> None:
    Image.new("RGB", (40, 60), "teal").save(folder / "face.jpg")
    result = ruxi(folder, "convert", "old.json", "new.png", "--portrait", "face.jpg")
    assert (result.returncode, result.stdout) == (0, "new.png: written as v3, nothing is lost\n")
    with Image.open(folder / "new.png") as image:
        image.load()
        assert image.size == (40, 60)
        assert {"chara", "ccv3"} <= image.info.keys()
    assert Character.load(folder / "new.png").description == "Ada repairs clocks."


def test_convert_writes_one_language(folder: Path) -> None:
    assert ruxi(folder, "convert", "hana", "hana.png", "--language", "zh").returncode == 0
    assert Character.load(folder / "hana.png").name == "花奈"


def test_convert_replaces_a_file_only_when_told(folder: Path) -> None:
    before = (folder / "old.json").read_bytes()
    result = ruxi(folder, "convert", "ada.json", "old.json")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert (folder / "old.json").read_bytes() == before
    assert ruxi(folder, "convert", "ada.json", "old.json", "--force").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("show", "nobody"), 1, "nobody: no such file or character. Give a card file"),
        (("show", "broken.json"), 1, "broken.json: data.name: is a list"),
        (("show", "mira", "--language", "fr"), 1, "Mira: has no texts in 'fr'. Languages of this card: en, zh"),
        (("convert", "old.json", "x.png"), 2, "old.json: a PNG card needs a portrait. Add --portrait"),
        (("convert", "old.json", "x.webp"), 1, "x.webp: cards are not written as '.webp'. Use .json or .png"),
        (("convert", "old.json", "x.png", "--portrait", "old.json"), 1, "old.json"),
        (("convert", "old.json", "x.png", "--to", "v9"), 2, "v9"),
    ],
)
def test_mistakes_end_in_a_clear_message(folder: Path, arguments: tuple[str, ...], code: int, expected: str) -> None:
    result = ruxi(folder, *arguments)
    assert result.returncode == code
    assert expected in result.stderr
    assert "Traceback" not in result.stderr
    assert not (folder / "x.png").exists()
