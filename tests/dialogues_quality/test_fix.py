"""A repaired copy is a good data set, says what was taken out, and loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruxi.dialogues import Part, Turn
from ruxi.dialogues.checks import CheckSettings, check, fix, fix_in_place
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import DataError
from ruxi.files import sha256_of, sha256_of_bytes

from .conftest import LINES, dialogue, picture, sound, text

MakeSet = Callable[..., Path]


def rejected(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rejected.jsonl").read_text().splitlines()]


def test_safe_repairs_give_a_set_without_errors(make_set: MakeSet, tmp_path: Path) -> None:
    good, wrong = picture(), sound()
    folder = make_set(
        [
            dialogue("untouched", ("User", LINES[0]), ("Mira", LINES[1])),
            dialogue("speakers", ("User", LINES[0] + "!!"), ("MIRA", LINES[2]), ("Jo", LINES[3])),
            dialogue("empty turn", ("User", LINES[1]), ("Mira", " "), ("Mira", LINES[3])),
            dialogue("no turns"),
            dialogue("copy", ("User", LINES[0]), ("Mira", LINES[1])),
            dialogue(
                "picture",
                Turn(speaker="User", parts=[text("See?"), Part(kind="image", media=sha256_of_bytes(good))]),
                Turn(speaker="Mira", parts=[Part(kind="image", media=sha256_of_bytes(wrong))]),
                ("Mira", "A fine sight indeed."),
            ),
        ],
        media=[good, wrong],
    )
    before = sha256_of(folder / "dialogues.jsonl")
    with (folder / "dialogues.jsonl").open("a") as file:
        file.write('{"id": "torn", "turns": [{"spea\n')
        emotion = {"speaker": "Mira", "emotion": " Joy", "start": 2, "end": 1, "parts": [{"kind": "text", "text": 7}]}
        file.write(json.dumps({"id": 12, "cast": [{"name": "Mira"}], "turns": [emotion]}) + "\n")
    (folder / "LICENSE").write_text("CC0")
    edited = sha256_of(folder / "dialogues.jsonl")
    with check(folder) as report:
        result = fix(report, tmp_path / "fixed")
    assert sha256_of(folder / "dialogues.jsonl") == edited != before

    with check(tmp_path / "fixed") as again:
        assert again.count("error") == 0, list(again.faults())
    fixed = DialogueSet.open(tmp_path / "fixed")
    assert list(fixed.ids()) == ["untouched", "speakers", "empty turn", "picture", "12"]
    assert (result.kept, result.rejected) == (5, 3)
    assert [turn.speaker for turn in fixed.get("speakers").turns] == ["User", "Mira", "Jo"]
    assert [member.name for member in fixed.get("speakers").cast] == ["User", "Mira", "Jo"]
    assert fixed.get("12").turns[0].emotion == "joy"
    assert fixed.get("12").turns[0].text == "7"
    assert len(fixed.get("picture").turns) == 2
    assert list(fixed.media) == [sha256_of_bytes(good)]
    assert (tmp_path / "fixed" / "LICENSE").read_text() == "CC0"

    notes = rejected(tmp_path / "fixed")
    assert any(note["taken_out"] == '{"id": "torn", "turns": [{"spea' for note in notes)
    assert any(note["check"] == "times" or note.get("repair") == "clear_times" for note in notes)
    assert any(note.get("taken_out") == {"start": 2, "end": 1} for note in notes)
    assert all(note["line"] > 0 and note["reason"] for note in notes)


def test_unsafe_repairs_are_made_only_when_asked(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set([dialogue(1, ("User", "Write to mira.vale@harbour.example.org, please."), ("Mira", LINES[0]))])
    with check(folder) as report:
        fix(report, tmp_path / "kept")
        fix(report, tmp_path / "masked", also=["personal_data"])
    assert "mira.vale" in DialogueSet.open(tmp_path / "kept").get("1").turns[0].text
    assert DialogueSet.open(tmp_path / "masked").get("1").turns[0].text == "Write to [e-mail address], please."
    assert "mira.vale" not in (tmp_path / "masked" / "rejected.jsonl").read_text()


def test_leaked_training_dialogues_leave_and_the_test_split_stays(make_set: MakeSet, tmp_path: Path) -> None:
    long = " ".join(LINES)
    folder = make_set(
        [
            dialogue("train", ("User", long), ("Mira", "Aye."), split="train"),
            dialogue("test", ("User", long), ("Mira", "Aye."), split="test"),
            dialogue("other", ("User", "What else is there to be said of it?"), ("Mira", "Little."), split="train"),
        ]
    )
    with check(folder) as report:
        fix(report, tmp_path / "fixed")
    assert list(DialogueSet.open(tmp_path / "fixed").ids()) == ["test", "other"]
    assert rejected(tmp_path / "fixed")[0]["taken_out"]["id"] == "train"


def test_in_place_keeps_the_original_beside_it(make_set: MakeSet) -> None:
    folder = make_set([dialogue(1, ("User", LINES[0]), ("Mira", ""), ("Mira", LINES[1]))])
    with check(folder) as report:
        fix_in_place(report)
    assert len(DialogueSet.open(folder).get("1").turns) == 2
    backup = folder.with_name("set.before-fix")
    assert len(DialogueSet.open(backup).get("1").turns) == 3
    with check(folder) as report, pytest.raises(DataError, match="earlier repair"):
        fix_in_place(report)


def test_a_folder_that_holds_something_is_not_overwritten(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set([dialogue(1, ("User", LINES[0]), ("Mira", LINES[1]))])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    with check(folder) as report, pytest.raises(DataError):
        fix(report, tmp_path / "full")
    assert (tmp_path / "full" / "thesis.txt").read_text() == "years of work"


_GOOD = dialogue("1", ("User", LINES[0]), Turn(speaker="Mira", parts=[text(LINES[1])], emotion="joy", start=1.0))
_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=4), st.builds(list), st.builds(dict),
    st.lists(st.integers(), max_size=2), st.builds(lambda: {"kind": "image"}), st.builds(lambda: [{"speaker": 3}]),
)  # fmt: skip


@st.composite
def damaged_lines(draw: st.DrawFn) -> bytes:
    """A good dialogue with a few values replaced or removed, or with damaged bytes."""
    data = json.loads(_GOOD.to_json())
    for _ in range(draw(st.integers(1, 4))):
        holder: Any = data
        while isinstance(holder, dict | list) and holder:
            key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
            if draw(st.booleans()) or not isinstance(holder[key], dict | list):
                if isinstance(holder, dict) and draw(st.booleans()):
                    del holder[key]
                else:
                    holder[key] = draw(_VALUES)
                break
            holder = holder[key]
    line = json.dumps(data).encode()
    if draw(st.integers(0, 4)) == 0:
        cut = draw(st.integers(0, len(line)))
        line = line[:cut] + draw(st.binary(max_size=3)).replace(b"\n", b"") + line[cut + 1 :]
    return line


@given(lines=st.lists(damaged_lines(), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_crashes_and_none_is_lost(lines: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    good = [_GOOD.to_json().encode(), *lines]
    (folder / "dialogues.jsonl").write_bytes(b"\n".join(good) + b"\n")
    quick = CheckSettings(skip=frozenset({"near_duplicates", "language", "labels"}))
    with check(folder, quick) as report:
        records = report.records
        result = fix(report, folder / "fixed")
        report.write(folder / "report")
    json.loads((folder / "report" / "check.json").read_text())
    assert result.kept + result.rejected == records
    assert result.kept == len(DialogueSet.open(folder / "fixed"))
    assert "1" in DialogueSet.open(folder / "fixed")
    with check(folder / "fixed", quick) as again:
        assert [fault for fault in again.faults() if fault.check == "types"] == []
