"""What the importers make of the real data sets, where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruxi.dialogues import DialogueSet
from ruxi.dialogues.importers import ImportReport
from tests.dialogues.sources import imported

pytestmark = [pytest.mark.real_data, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def mmrole(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[DialogueSet, ImportReport]:
    return imported("mmrole", real_data / "mmrole", tmp_path_factory.mktemp("mmrole") / "set")


def test_mmrole_is_complete(mmrole: tuple[DialogueSet, ImportReport]) -> None:
    data, report = mmrole
    assert report.dialogues == len(data) == 13_732
    assert report.languages == {"en": 12_133, "zh": 1_599}
    assert report.with_media == 2_893
    assert report.characters == 85
    assert report.lost == 0


def test_no_held_out_id_of_mmrole_is_trained_on(mmrole: tuple[DialogueSet, ImportReport], real_data: Path) -> None:
    data, _ = mmrole
    held_out = set((real_data / "mmrole/holdout_dialogue_ids.txt").read_text(encoding="utf-8").split("\n"))
    assert not held_out & set(data.ids("train"))
    assert not held_out & set(data.ids("validation"))
    there = held_out & set(data.ids())
    assert len(there) == 269
    assert all(data.get(identifier).holdout for identifier in there)


def test_every_mmrole_speaker_but_the_user_has_a_card(mmrole: tuple[DialogueSet, ImportReport]) -> None:
    data, _ = mmrole
    for dialogue in data:
        for member in dialogue.cast:
            assert (member.kind, member.character is None) in (("user", True), ("character", False))
    assert "齐天大圣" in data.character("孙悟空").description


@pytest.mark.parametrize(
    ("name", "folder", "dialogues", "turns", "with_media", "lost"),
    [
        ("cped", "cped", 3_749, 38_575, 0, 0),
        ("fer2013", "fer2013", 4_992, 4_992, 4_992, 0),
        ("flickr8k", "flickr8k", 3_500, 7_000, 3_500, 0),
        ("freedroidrpg", "freedroidrpg", 1_498, 2_996, 0, 784),
        ("librispeech", "librispeech_sample", 40, 40, 40, 0),
        ("meld", "meld", 1_432, 13_708, 0, 0),
        ("persona-chat", "synthetic_persona_chat", 1_968, 54_221, 0, 0),
        ("ravdess", "ravdess", 960, 960, 960, 0),
        ("renpy", "renpy", 418, 5_656, 288, 0),
        ("topical-chat", "topical_chat", 2_156, 46_903, 0, 0),
        ("weather", "weather", 898, 2_724, 898, 0),
        ("wesnoth", "wesnoth", 2_064, 12_001, 1_611, 0),
    ],
)
def test_counts(
    name: str, folder: str, dialogues: int, turns: int, with_media: int, lost: int, real_data: Path, tmp_path: Path
) -> None:
    data, report = imported(name, real_data / folder, tmp_path / "set")
    assert (report.dialogues, report.turns, report.with_media, report.lost) == (dialogues, turns, with_media, lost)
    for dialogue in data:
        assert {turn.speaker for turn in dialogue.turns} <= {member.name for member in dialogue.cast}


def test_every_line_of_wesnoth_is_said_once(real_data: Path, tmp_path: Path) -> None:
    data, _ = imported("wesnoth", real_data / "wesnoth", tmp_path / "set")
    said = sum(bool(turn.text) for dialogue in data for turn in dialogue.turns)
    lines = sum(1 for _ in (real_data / "wesnoth/dialogue.jsonl").open(encoding="utf-8"))
    assert said == lines == 8_667
