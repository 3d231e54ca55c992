from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ruxi.dialogues import CastMember, DatasetWriter, Dialogue, DialogueSet, Turn
from ruxi.errors import DataError


def dialogue(number: int, **fields: object) -> Dialogue:
    return Dialogue(
        id=f"d{number}",
        cast=[CastMember(name="Mira"), CastMember(name="You", kind="user")],
        turns=[Turn.of_text("You", f"Question {number}?"), Turn.of_text("Mira", f"Answer {number} — 好。")],
        **fields,  # type: ignore[arg-type]
    )


def dialogues(count: int) -> Iterator[Dialogue]:
    for number in range(count):
        yield dialogue(number, split="test" if number % 10 == 0 else "train")


@pytest.mark.parametrize("format", ["jsonl", "jsonl.zst", "parquet"])
@pytest.mark.parametrize("shard_dialogues", [None, 300])
def test_every_format_reads_back_in_order_and_by_id(tmp_path: Path, format: str, shard_dialogues: int | None) -> None:
    with DatasetWriter(
        tmp_path / "set", source="here", licence="MIT", format=format, shard_dialogues=shard_dialogues
    ) as writer:  # type: ignore[arg-type]
        for item in dialogues(700):
            writer.add(item)
    data = DialogueSet.open(tmp_path / "set")
    assert list(data) == list(dialogues(700))
    assert len(data) == 700
    assert data.info.counts == {"dialogues": 700, "turns": 1400, "characters": 0, "media": 0}
    assert data.info.splits == {"test": 70, "train": 630}
    assert data.info.licence == "MIT"
    for number in (0, 1, 255, 256, 299, 300, 699):
        assert data.get(f"d{number}") == data.at(number)
        assert data.get(f"d{number}").turns[0].text == f"Question {number}?"
    assert list(data.ids("test")) == [f"d{number}" for number in range(0, 700, 10)]
    assert len(data.info.digests) == (1 if shard_dialogues is None else 3)


def test_unknown_fields_survive(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set") as writer:
        writer.add(dialogue(1, mood={"weather": "storm"}))
    assert DialogueSet.open(tmp_path / "set").get("d1").model_extra == {"mood": {"weather": "storm"}}


def test_broken_lines_are_named_and_the_good_ones_around_them_kept(tmp_path: Path) -> None:
    good = dialogue(1).to_json()
    (tmp_path / "dialogues.jsonl").write_bytes(
        good.encode()
        + b'\n\n{"id": "x", "turns": [{"speaker": 3}]}\n\xff\xfe\n{"id": "d2", "turns"\n'
        + dialogue(3).to_json().encode()
    )
    records = list(DialogueSet.open(tmp_path).records())
    assert [(record.line, record.dialogue is not None) for record in records] == [
        (1, True), (3, False), (4, False), (5, False), (6, True),
    ]  # fmt: skip
    assert "turns.0.speaker" in str(records[1].error)
    assert "dialogues.jsonl:3" in str(records[1].error)
    assert records[2].raw.encode("utf-8", "surrogateescape") == b"\xff\xfe"
    with pytest.raises(DataError, match=r"dialogues\.jsonl:3"):
        list(DialogueSet.open(tmp_path))
    assert DialogueSet.open(tmp_path).get("d3").id == "d3"


def test_the_index_follows_the_shards(tmp_path: Path) -> None:
    shard = tmp_path / "dialogues.jsonl"
    shard.write_text(dialogue(1).to_json() + "\n")
    assert len(DialogueSet.open(tmp_path)) == 1
    shard.write_text(dialogue(2).to_json() + "\n" + dialogue(3).to_json() + "\n")
    data = DialogueSet.open(tmp_path)
    assert len(data) == 2
    assert "d1" not in data
    with pytest.raises(DataError, match="no dialogues have the id 'd1'"):
        data.get("d1")


def test_an_id_that_is_taken_is_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set") as writer:
        writer.add(dialogue(1))
        with pytest.raises(DataError, match="already in the data set"):
            writer.add(dialogue(1))
    with DatasetWriter(tmp_path / "set", mode="append") as writer:
        with pytest.raises(DataError, match="already in the data set"):
            writer.add(dialogue(1))
        writer.add(dialogue(2))
        with pytest.raises(DataError, match="already in the data set"):
            writer.add(dialogue(2))
    assert [item.id for item in DialogueSet.open(tmp_path / "set")] == ["d1", "d2"]


def test_an_error_leaves_the_old_set_alone(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set") as writer:
        writer.add(dialogue(1))

    def replace_and_fail() -> None:
        with DatasetWriter(tmp_path / "set", mode="replace") as writer:
            writer.add(dialogue(2))
            raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        replace_and_fail()
    assert [item.id for item in DialogueSet.open(tmp_path / "set")] == ["d1"]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_folders_that_hold_something_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    for mode in ("new", "replace"):
        with pytest.raises(DataError, match="holds something else"):
            DatasetWriter(tmp_path, mode=mode)  # type: ignore[arg-type]
    assert (tmp_path / "thesis.doc").read_text() == "years of work"


def test_two_programs_cannot_append_at_once(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set", mode="append"), pytest.raises(DataError, match="another program"):
        DatasetWriter(tmp_path / "set", mode="append")


def test_appending_to_packed_shards_adds_a_plain_one(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set", format="jsonl.zst", shard_dialogues=2) as writer:
        for item in dialogues(3):
            writer.add(item)
    with DatasetWriter(tmp_path / "set", mode="append") as writer:
        writer.add(dialogue(7))
    data = DialogueSet.open(tmp_path / "set")
    assert [item.id for item in data] == ["d0", "d1", "d2", "d7"]
    assert data.info.counts["dialogues"] == 4
    assert sorted(data.info.digests) == [
        "dialogues-00000.jsonl.zst", "dialogues-00001.jsonl.zst", "dialogues-00002.jsonl",
    ]  # fmt: skip


def test_a_damaged_packed_shard_is_reported_not_hidden(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set", format="jsonl.zst") as writer:
        for item in dialogues(600):
            writer.add(item)
    shard = tmp_path / "set" / "dialogues.jsonl.zst"
    shard.write_bytes(shard.read_bytes()[:-100])
    records = list(DialogueSet.open(tmp_path / "set").records())
    assert sum(record.dialogue is not None for record in records) >= 512
    assert "damaged" in str(records[-1].error)


def test_a_torn_last_line_is_cut_and_a_whole_one_kept(tmp_path: Path) -> None:
    shard = tmp_path / "dialogues.jsonl"
    shard.write_text(dialogue(1).to_json() + "\n" + dialogue(2).to_json()[:40])
    with DatasetWriter(tmp_path, mode="append") as writer:
        writer.add(dialogue(3))
    assert [item.id for item in DialogueSet.open(tmp_path)] == ["d1", "d3"]
    shard.write_text(dialogue(1).to_json())
    with DatasetWriter(tmp_path, mode="append") as writer:
        writer.add(dialogue(3))
    assert [item.id for item in DialogueSet.open(tmp_path)] == ["d1", "d3"]


_APPENDING = """
import sys
from ruxi.dialogues import DatasetWriter, Dialogue, Turn
with DatasetWriter(sys.argv[1], mode="append") as writer:
    for number in range(10**9):
        writer.add(Dialogue(id=str(number), turns=[Turn.of_text("Mira", "so it goes " * 50)]))
        print(number, flush=True)
"""


def test_kill_9_loses_no_acknowledged_record(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _APPENDING, str(tmp_path / "set")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(50)]
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split()]
    process.wait()
    kept = [int(item.id) for item in DialogueSet.open(tmp_path / "set")]
    assert kept[: len(acknowledged)] == acknowledged
    with DatasetWriter(tmp_path / "set", mode="append") as writer:
        writer.add(dialogue(1))
    assert DialogueSet.open(tmp_path / "set").info.counts["dialogues"] == len(kept) + 1


def test_a_read_only_set_can_be_read_by_id(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "dialogues.jsonl").write_text(dialogue(1).to_json() + "\n")
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder.chmod(0o555)
    assert DialogueSet.open(folder).get("d1").id == "d1"


def test_a_writer_that_cannot_begin_leaves_no_lock_and_no_folder(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set") as writer:
        writer.add(dialogue(1))
    info = (tmp_path / "set/dataset.json").read_text()
    (tmp_path / "set/dataset.json").write_text("{broken")
    with pytest.raises(DataError, match=r"dataset\.json"):
        DatasetWriter(tmp_path / "set", mode="append")
    (tmp_path / "set/dataset.json").write_text(info)
    with DatasetWriter(tmp_path / "set", mode="append") as writer:
        writer.add(dialogue(2))
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
