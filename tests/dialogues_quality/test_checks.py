"""Every kind of fault is found where it is, and nothing is reported of a clean set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ruxi.dialogues import CastMember, Label, Part, Turn, Word
from ruxi.dialogues.checks import CheckSettings, Fault, check
from ruxi.errors import DataError, UsageError
from ruxi.files import sha256_of_bytes

from .conftest import LINES, dialogue, picture, sound, text

MakeSet = Callable[..., Path]


def faults_of(folder: Path, name: str, **settings: object) -> list[Fault]:
    with check(folder, CheckSettings(**settings)) as report:  # type: ignore[arg-type]
        return list(report.faults(name))


def test_a_clean_set_has_no_fault(make_set: MakeSet) -> None:
    image = picture()
    shown = Part(kind="image", media=sha256_of_bytes(image))
    folder = make_set(
        [dialogue(1, ("User", LINES[0]), Turn(speaker="Mira", parts=[text(LINES[1]), shown]))], media=[image]
    )
    with check(folder) as report:
        assert list(report.faults()) == []
        assert report.records == 1


def test_lines_that_are_no_dialogues_are_named_with_field_and_turn(make_set: MakeSet) -> None:
    folder = make_set([dialogue(1, ("User", LINES[0]), ("Mira", LINES[1]))])
    with (folder / "dialogues.jsonl").open("a") as file:
        file.write('{"id": "torn", "turns": [{"spea\n')
        file.write(
            json.dumps({"id": "odd", "turns": [{"speaker": "Mira"}, {"speaker": "Mira", "emotion": "Joy"}]}) + "\n"
        )
        file.write(json.dumps({"turns": [{"speaker": "Mira", "parts": [{"kind": "text", "text": 7}]}]}) + "\n")
    found = faults_of(folder, "types")
    assert [(fault.line, fault.turn, fault.part) for fault in found] == [
        (2, None, None),
        (3, 1, None),
        (4, None, None),
        (4, 0, 0),
    ]
    assert "'emotion' is 'Joy'" in found[1].problem
    assert found[1].dialogue == "odd"
    assert "turns.0.parts.0.text" in found[3].problem


def test_speakers_outside_the_cast_and_misspelled_ones(make_set: MakeSet) -> None:
    folder = make_set([dialogue(1, ("User", LINES[0]), ("mira ", LINES[1]), ("Jo", LINES[2]), ("Jo", LINES[3]))])
    found = faults_of(folder, "cast")
    assert [(fault.turn, fault.repair) for fault in found] == [(1, "set_field"), (2, "add_cast")]


def test_a_cast_that_names_a_missing_character(make_set: MakeSet) -> None:
    one = dialogue(1, ("User", LINES[0]), ("Mira", LINES[1]))
    one.cast[1].character = "../../etc/passwd"
    assert "missing" in faults_of(make_set([one]), "cast")[0].problem


def test_a_dialogue_without_a_speaking_character(make_set: MakeSet) -> None:
    one = dialogue(1, ("User", LINES[0]))
    one.cast = [CastMember(name="User", kind="user")]
    assert "no character speaks" in faults_of(make_set([one]), "cast")[0].problem


def test_empty_and_repeated_turns(make_set: MakeSet) -> None:
    folder = make_set(
        [
            dialogue("none"),
            dialogue("empty", ("User", "  "), ("Mira", LINES[0]), Turn(speaker="Mira", action="she nods")),
            dialogue("twice", ("User", LINES[0]), ("User", LINES[0] + " "), ("Mira", "No."), ("Mira", "No.")),
            dialogue("loop", *[("User" if n % 2 else "Mira", LINES[n % 2]) for n in range(6)]),
        ]
    )
    found = faults_of(folder, "turns")
    assert [(fault.dialogue, fault.turn) for fault in found] == [
        ("none", None), ("empty", 0), ("twice", 1), ("loop", 2), ("loop", 3),
    ]  # fmt: skip


def test_times_that_go_backwards(make_set: MakeSet) -> None:
    words = [Word(text="two", start=4.0, end=4.2), Word(text="one", start=3.0, end=3.2)]
    folder = make_set(
        [
            dialogue(
                1,
                Turn(speaker="User", parts=[text("a")], start=0.0, end=2.0),
                Turn(speaker="Mira", parts=[text("b")], start=1.0, end=3.0),
                Turn(speaker="Mira", parts=[text("c")], start=0.5, end=3.0),
                Turn(speaker="User", parts=[Part(kind="audio", text="two one", words=words)], start=4.0, end=5.0),
                Turn(speaker="User", parts=[Part(kind="audio", text="x", start=9.0)], start=6.0, end=7.0),
            )
        ]
    )
    found = faults_of(folder, "times")
    assert [(fault.turn, fault.part) for fault in found] == [(2, None), (3, 0), (4, 0)]


def test_media_that_are_missing_changed_damaged_or_of_another_kind(make_set: MakeSet) -> None:
    media = [picture(1), picture(2), picture(3), sound()]
    names = [sha256_of_bytes(one) for one in media]
    shown = [Part(kind="image", media=name) for name in [*names, "0" * 64]]
    folder = make_set(
        [
            dialogue(n, ("User", LINES[0]), Turn(speaker="Mira", parts=[text(str(n)), part]))
            for n, part in enumerate(shown)
        ],
        media=[*media, picture(9)],
    )
    (folder / "media" / names[1][:2] / f"{names[1]}.png").write_bytes(picture(1))
    (folder / "media" / names[2][:2] / f"{names[2]}.png").write_bytes(b"")
    found = faults_of(folder, "media")
    assert [(fault.dialogue, fault.turn, fault.part) for fault in found if fault.row is not None] == [
        ("1", 1, 1), ("2", 1, 1), ("3", 1, 1), ("4", 1, 1),
    ]  # fmt: skip
    assert "not a picture" in found[-2].problem
    assert any("no dialogue refers to 1" in fault.problem for fault in found)


def test_decoding_finds_a_picture_that_is_cut_off(make_set: MakeSet) -> None:
    whole = picture(5)
    cut = whole[: len(whole) // 2]
    part = Part(kind="image", media=sha256_of_bytes(cut))
    folder = make_set([dialogue(1, ("User", LINES[0]), Turn(speaker="Mira", parts=[part]))], media=[cut])
    assert faults_of(folder, "media") == []
    assert "damaged" in faults_of(folder, "media", media="decode")[0].problem


def test_an_absent_picture_with_a_name_is_only_a_hint(make_set: MakeSet) -> None:
    part = Part(kind="image", name="COCO/1.jpg")
    folder = make_set([dialogue(1, ("User", LINES[0]), Turn(speaker="Mira", parts=[part]))])
    with check(folder) as report:
        assert [(fault.check, fault.severity) for fault in report.faults()] == [("media", "hint")]


def test_shared_ids_and_copies(make_set: MakeSet) -> None:
    one = dialogue("a", ("User", LINES[0]), ("Mira", LINES[1]))
    copy = dialogue("b", ("User", LINES[0].upper()), ("Mira", LINES[1]))
    folder = make_set([one, copy])
    with (folder / "dialogues.jsonl").open("a") as file:
        file.write(dialogue("a", ("User", LINES[2]), ("Mira", LINES[3])).to_json() + "\n")
    found = faults_of(folder, "identity", skip=frozenset({"near_duplicates"}))
    assert [(fault.line, fault.repair) for fault in found] == [(2, "drop_dialogue"), (3, "set_field")]
    assert "dialogues.jsonl:1" in found[0].problem


def test_the_same_words_about_different_absent_pictures_are_no_copies(make_set: MakeSet) -> None:
    shown = [
        dialogue(
            n, Turn(speaker="User", parts=[Part(kind="image", name=f"{n}.jpg"), text("What is it?")]), ("Mira", "A")
        )
        for n in range(2)
    ]
    assert faults_of(make_set(shown), "identity") == []


def test_near_duplicates_within_a_split_and_leakage_across_splits(make_set: MakeSet) -> None:
    long = " ".join(f"{one} and crate {number}" for number, one in enumerate(" ".join(LINES).split()))
    folder = make_set(
        [
            dialogue("a", ("User", long), ("Mira", "Aye."), split="train"),
            dialogue("b", ("User", long + " Truly, I swear it."), ("Mira", "Aye."), split="train"),
            dialogue("c", ("User", long + " And the bell rang twice."), ("Mira", "No."), split="test"),
            dialogue(
                "d", ("User", "Nothing of the sort has ever been heard in this hall."), ("Mira", "Ah."), split="train"
            ),
        ]
    )
    with check(folder) as report:
        near = list(report.faults("near_duplicates"))
        leaks = [fault for fault in report.faults("leakage") if "about" in fault.problem]
    assert [fault.dialogue for fault in near] == ["b"]
    assert [(fault.dialogue, fault.severity, fault.safe) for fault in leaks] == [
        ("a", "error", True),
        ("b", "error", True),
    ]


def test_leakage_by_passage_medium_group_and_character(make_set: MakeSet) -> None:
    passage = " ".join(LINES[:2])
    image = picture()
    shown = Part(kind="image", media=sha256_of_bytes(image))
    folder = make_set(
        [
            dialogue("a", ("User", passage), ("Mira", "Aye, that much is certain."), split="train", group="Act I"),
            dialogue("b", ("User", passage), ("Mira", "I could not say, to be honest."), split="test", group="Act I"),
            dialogue("c", Turn(speaker="User", parts=[text("One"), shown]), ("Mira", "Two"), split="train"),
            dialogue("d", Turn(speaker="User", parts=[text("Three"), shown]), ("Mira", "Four"), split="validation"),
        ],
        media=[image],
    )
    settings = {"skip": frozenset({"near_duplicates"})}
    found = faults_of(folder, "leakage", **settings)
    assert sorted((fault.dialogue, fault.severity) for fault in found) == [
        ("a", "error"), ("a", "warning"), ("c", "warning"),
    ]  # fmt: skip
    assert "('b') in split 'test'" in next(fault.problem for fault in found if fault.dialogue == "a")
    with_characters = faults_of(folder, "leakage", by_character=True, **settings)
    assert any("the same character 'Mira'" in fault.problem for fault in with_characters)


def test_languages_that_differ(make_set: MakeSet) -> None:
    folder = make_set(
        [
            dialogue(
                1, ("User", LINES[0]), ("Mira", LINES[1]), ("User", "Ich verstehe nicht, was der Hafenmeister will.")
            ),
            dialogue(
                2,
                ("User", "港务长想在潮水转向之前拿到清单。"),
                ("Mira", "告诉他那些箱子还在北边的码头上。"),
                language="en",
            ),
        ]
    )
    found = faults_of(folder, "language")
    assert [(fault.dialogue, fault.turn, fault.severity) for fault in found] == [
        ("1", 2, "hint"), ("2", None, "warning"),
    ]  # fmt: skip


def test_a_label_that_its_neighbours_contradict(make_set: MakeSet) -> None:
    glad = [f"What a wonderful day, I am so happy about gift number {n}!" for n in range(20)]
    sad = [f"I miss him terribly and I cry every night in room {n}." for n in range(20)]
    turns = [Turn.of_text("User", line, emotion="joy") for line in glad]
    turns += [Turn.of_text("Mira", line, emotion="sadness") for line in sad]
    turns[7] = Turn.of_text("User", glad[7], emotion="sadness")
    found = faults_of(make_set([dialogue(1, *turns)]), "labels")
    assert [fault.turn for fault in found] == [7]
    assert "'joy'" in found[0].problem


def test_an_intent_that_nobody_knows(make_set: MakeSet) -> None:
    folder = make_set([dialogue(1, Turn.of_text("User", LINES[0], intent="flirt"), ("Mira", LINES[1]))])
    assert "'flirt'" in faults_of(folder, "labels")[0].problem


def test_a_shard_that_was_edited_and_a_damaged_dataset_file(make_set: MakeSet) -> None:
    folder = make_set([dialogue(1, ("User", LINES[0]), ("Mira", LINES[1]))])
    with (folder / "dialogues.jsonl").open("a") as file:
        file.write(dialogue(2, ("User", LINES[2]), ("Mira", LINES[3])).to_json() + "\n")
    assert [fault.file for fault in faults_of(folder, "dataset")] == ["dialogues.jsonl", "dataset.json"]
    (folder / "dataset.json").write_text("{")
    assert "cannot be read" in faults_of(folder, "dataset")[0].problem


def test_reports_hold_every_fault_and_no_markup_from_the_data(make_set: MakeSet, tmp_path: Path) -> None:
    rude = "<script>alert(1)</script>"
    folder = make_set([dialogue(n, (rude, f"{LINES[0]} {n}"), ("Mira", LINES[1])) for n in range(120)])
    with check(folder, CheckSettings(skip=frozenset({"near_duplicates"}))) as report:
        report.write(tmp_path / "out")
    data = json.loads((tmp_path / "out" / "check.json").read_text())
    assert data["errors"] == 120
    assert len([fault for fault in data["faults"] if fault["check"] == "cast"]) == 120
    assert data["faults"][0]["line"] == 1
    page = (tmp_path / "out" / "check.md").read_text()
    assert "… and 70 more" in page
    assert "<script>" not in page


def test_wrong_settings_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no check is called 'spelling'"):
        CheckSettings(skip=frozenset({"spelling"}))
    with pytest.raises(DataError, match="no such folder"):
        check(tmp_path / "nowhere")


def test_labels_recognised_in_an_absent_medium_are_kept(make_set: MakeSet) -> None:
    part = Part(kind="image", labels=[Label(name="seashore", score=0.7)])
    folder = make_set([dialogue(1, Turn(speaker="User", parts=[part]), ("Mira", LINES[0]))])
    assert faults_of(folder, "turns") == []
