from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruxi.dialogues import CastMember, DatasetWriter, Dialogue, DialogueSet, Turn
from ruxi.dialogues.splits import Splitter, folds_of, share, split_dataset
from ruxi.errors import DataError, UsageError


def dialogue(number: int, **fields: object) -> Dialogue:
    names = [f"C{number % 40}", f"C{(number * 7 + 1) % 40}"]
    return Dialogue.model_validate(
        {
            "id": f"d{number}",
            "cast": [CastMember(name=name) for name in dict.fromkeys(names)] + [CastMember(name="You", kind="user")],
            "turns": [Turn.of_text(names[0], f"Line {number}.")],
            "group": f"g{number % 25}",
            **fields,
        }
    )


def written(path: Path, dialogues: Iterator[Dialogue], **settings: object) -> Path:
    with DatasetWriter(path, **settings) as writer:  # type: ignore[arg-type]
        for item in dialogues:
            writer.add(item)
    return path


def splits_of(path: Path) -> dict[str, str | None]:
    return {item.id: item.split for item in DialogueSet.open(path)}


@pytest.mark.parametrize("by", ["dialogue", "group", "character"])
def test_adding_data_moves_nothing(tmp_path: Path, by: str) -> None:
    small = written(tmp_path / "small", (dialogue(number) for number in range(100)))
    large = written(tmp_path / "large", (dialogue(number) for number in range(300)))
    for path in (small, large):
        split_dataset(path, Splitter(by=by))
    assert splits_of(small).items() <= splits_of(large).items()


def test_the_ratios_hold_and_the_seed_matters(tmp_path: Path) -> None:
    path = written(tmp_path / "set", (dialogue(number) for number in range(2000)))
    report = split_dataset(path, Splitter(ratios={"train": 0.7, "validation": 0.1, "test": 0.2}))
    assert report.dialogues["train"] == pytest.approx(1400, abs=80)
    assert report.dialogues["test"] == pytest.approx(400, abs=60)
    assert DialogueSet.open(path).info.splits == dict(report.dialogues)
    before = splits_of(path)
    split_dataset(path, Splitter(seed=1))
    assert splits_of(path) != before


def test_groups_are_never_divided(tmp_path: Path) -> None:
    path = written(tmp_path / "set", (dialogue(number) for number in range(500)))
    split_dataset(path, Splitter(by="campaign"))
    places: dict[str | None, set[str | None]] = {}
    for item in DialogueSet.open(path):
        places.setdefault(item.group, set()).add(item.split)
    assert all(len(splits) == 1 for splits in places.values())
    assert {split for splits in places.values() for split in splits} == {"train", "validation", "test"}


def test_no_character_of_the_test_split_is_seen_in_training(tmp_path: Path) -> None:
    path = written(tmp_path / "set", (dialogue(number) for number in range(500)))
    split_dataset(path, Splitter(by="character"))
    data = list(DialogueSet.open(path))
    splitter = Splitter(by="character")
    alone = {f"C{n}": splitter.split_of(Dialogue(id="x", cast=[CastMember(name=f"C{n}")])) for n in range(40)}
    seen = {member.name for item in data if item.split == "train" for member in item.cast if member.kind == "character"}
    assert seen
    assert {alone[name] for name in seen} == {"train"}
    assert {item.split for item in data} >= {"train", "test"}


def test_held_out_dialogues_stay_in_the_test_split_and_in_no_fold(tmp_path: Path) -> None:
    held = (dialogue(number, holdout=True, split="test") for number in range(50))
    path = written(tmp_path / "set", held)
    report = split_dataset(path, Splitter(ratios={"train": 1.0}), folds=5)
    assert report.dialogues == {"test": 50}
    assert report.held_out == 50
    assert all(item.folds == [] for item in DialogueSet.open(path))
    with pytest.raises(ValueError, match="held out for tests"):
        dialogue(1, holdout=True, split="train")
    with pytest.raises(ValueError, match="held out for tests"):
        DialogueSet.open(path).get("d1").split = "train"


def test_kept_splits_stay(tmp_path: Path) -> None:
    path = written(tmp_path / "set", (dialogue(n, split="test" if n < 30 else None) for n in range(100)))
    split_dataset(path, Splitter(ratios={"train": 1.0}, keep=frozenset({"test"})))
    assert sum(split == "test" for split in splits_of(path).values()) == 30


def test_folds_cover_everything_once_and_keep_groups_together(tmp_path: Path) -> None:
    path = written(tmp_path / "set", (dialogue(number) for number in range(500)))
    split_dataset(path, Splitter(ratios={"train": 1.0}, by="group"), folds=5)
    data = list(DialogueSet.open(path))
    assert all(len(item.folds) == 1 for item in data)
    assert {fold for item in data for fold in item.folds} == set(range(5))
    groups = {(item.group, item.folds[0]) for item in data}
    assert len(groups) == 25


def test_folds_by_character_never_validate_on_a_trained_character() -> None:
    data = [dialogue(number) for number in range(300)]
    folds = {item.id: folds_of(item, 4, by="character") for item in data}
    for fold in range(4):
        validated = {
            f"C{n}"
            for n in range(40)
            if folds_of(Dialogue(id="x", cast=[CastMember(name=f"C{n}")]), 4, by="character") == [fold]
        }
        trained = {member.name for item in data if fold not in folds[item.id] for member in item.cast}
        assert not validated & trained


@pytest.mark.parametrize("format", ["jsonl", "jsonl.zst", "parquet"])
def test_rewriting_keeps_what_cannot_be_read(tmp_path: Path, format: str) -> None:
    path = written(tmp_path / "set", (dialogue(n) for n in range(600)), format=format, shard_dialogues=400)
    if format == "jsonl":
        with (path / "dialogues-00000.jsonl").open("a") as file:
            file.write('{"id": 7}\n')
    split_dataset(path, Splitter())
    records = list(DialogueSet.open(path).records())
    assert sum(record.dialogue is not None for record in records) == 600
    assert all(record.dialogue.split for record in records if record.dialogue)
    assert [record.raw for record in records if record.error] == (['{"id": 7}'] if format == "jsonl" else [])
    assert not list(path.glob(".*.new"))


def test_a_damaged_shard_is_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "set", (dialogue(n) for n in range(600)), format="jsonl.zst")
    shard = path / "dialogues.jsonl.zst"
    damaged = shard.read_bytes()[:-50]
    shard.write_bytes(damaged)
    with pytest.raises(DataError, match="damaged"):
        split_dataset(path, Splitter())
    assert shard.read_bytes() == damaged


def test_wrong_requests_are_explained(tmp_path: Path) -> None:
    path = written(tmp_path / "set", (dialogue(n) for n in range(3)))
    with pytest.raises(UsageError, match="do not add up to 1"):
        Splitter(ratios={"train": 0.5})
    with pytest.raises(DataError, match="no dialogue has a field 'planet'"):
        split_dataset(path, Splitter(by="planet"))


@given(st.text(), st.integers())
def test_shares_lie_between_zero_and_one(key: str, seed: int) -> None:
    assert 0 <= share(key, seed) < 1
    assert share(key, seed) == share(key, seed)
