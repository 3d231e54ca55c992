from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ruxi.cli import main
from ruxi.dialogues import DialogueSet
from tests.dialogues import sources

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; gives exit code, standard output and standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ruxi", "data", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_import_prints_counts_and_the_first_problems(run: Run, tmp_path: Path) -> None:
    source = sources.mmrole(tmp_path / "source")
    code, out, _ = run("import", "mmrole", source, tmp_path / "set")
    assert code == 0
    assert "6 dialogues (1 with media)" in out
    assert "languages: 4 en, 2 zh" in out
    assert "splits: 1 test, 5 train" in out
    assert "dialogues.jsonl.gz:1: there is no 'images/COCO/train2017/1.jpg'" in out
    assert "problems.jsonl" in out


def test_import_as_json_with_options(run: Run, tmp_path: Path) -> None:
    source = sources.mmrole(tmp_path / "source")
    code, out, _ = run("import", "mmrole", source, tmp_path / "set", "--set", "holdout=drop", "--json")
    report = json.loads(out)
    assert (code, report["dialogues"], report["splits"]) == (0, 5, {"train": 5})
    assert report["examples"]["empty"][0]["line"] == 5
    assert report["dialogues_per_second"] > 0


def test_import_needs_leave_to_replace_or_append(run: Run, tmp_path: Path) -> None:
    source = sources.meld(tmp_path / "source")
    assert run("import", "meld", source, tmp_path / "set", "--storage", "parquet", "--shard", "2")[0] == 0
    assert len(list((tmp_path / "set").glob("dialogues-*.parquet"))) == 2
    code, _, err = run("import", "meld", source, tmp_path / "set")
    assert code == 1
    assert "the folder is not empty" in err
    assert "--replace" in err
    assert run("import", "meld", source, tmp_path / "set", "--replace")[0] == 0
    code, _, err = run("import", "meld", source, tmp_path / "set", "--append")
    assert code == 0
    assert len(DialogueSet.open(tmp_path / "set")) == 6
    code, _, err = run("import", "meld", source, tmp_path / "set", "--append", "--replace")
    assert (code, "exclude each other" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["import", "mmroll", ".", "out"], 2, "no importer is called 'mmroll'. Known: cped"),
        (["import", "mmrole", "nowhere", "out"], 1, "there is no such file or folder"),
        (["import", "mmrole", ".", "out", "--set", "holdout"], 2, "'holdout' has no '='"),
        (["stats", "nowhere"], 1, "there is no such folder"),
        (["export", "openai", "nowhere", "out"], 1, "there is no such folder"),
        (["split", "nowhere", "--ratios", "train=x"], 2, "'train=x' is no share of a split"),
        (["split", "nowhere", "--keep", "exam"], 2, "no split is called 'exam'"),
    ],
)
def test_mistakes_end_in_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found, _, err = run(*arguments)
    assert found == code
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_stats_prints_a_table_and_draws(run: Run, tmp_path: Path) -> None:
    run("import", "cped", sources.cped(tmp_path / "source"), tmp_path / "set")
    code, out, _ = run("stats", tmp_path / "set", "--plots", tmp_path / "plots")
    assert code == 0
    assert "emotions: surprise 1" in out
    assert "speakers: 于春晓 1, 其他 1" in out
    assert str(tmp_path / "plots" / "speakers.png") in out
    assert (tmp_path / "plots" / "speakers.png").stat().st_size > 1000
    found = json.loads(run("stats", tmp_path / "set", "--json")[1])
    assert (found["dialogues"], found["basic_emotions"], found["characters"]) == (1, {"surprise": 1}, 1)
    assert found["turn_lengths"]["bins"] == {"0": 0, "1": 0, "2-3": 2}


def test_split_reports_what_it_did(run: Run, tmp_path: Path) -> None:
    run("import", "mmrole", sources.mmrole(tmp_path / "source"), tmp_path / "set")
    code, out, _ = run("split", tmp_path / "set", "--ratios", "train=1", "--by", "character", "--folds", "2")
    assert code == 0
    assert "1 of test are held out and stay there" in out
    report = json.loads(run("split", tmp_path / "set", "--ratios", "train=1", "--json")[1])
    assert report["dialogues"] == {"test": 1, "train": 5}


def test_export_names_what_the_target_cannot_hold(run: Run, tmp_path: Path) -> None:
    run("import", "cped", sources.cped(tmp_path / "source"), tmp_path / "set")
    code, out, _ = run("export", "openai", tmp_path / "set", tmp_path / "out")
    assert code == 0
    assert "openai cannot hold:" in out
    assert "turn.emotion (1)" in out
    assert (tmp_path / "out/validation.jsonl").is_file()
    report = json.loads(run("export", "huggingface", tmp_path / "set", tmp_path / "hf", "--json")[1])
    assert (report["dialogues"], report["lost"]) == (1, {})


def test_formats_lists_importers_with_their_options(run: Run) -> None:
    _, out, _ = run("formats")
    assert "mmrole" in out
    assert "--set holdout=…  What becomes of held-out dialogues" in out
    listed = json.loads(run("formats", "--json")[1])
    assert listed["exporters"]["sharegpt"]["summary"]
