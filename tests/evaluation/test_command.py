"""`ruxi eval` as a program, with a real model that is tiny."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluation.conftest import RuxiEval
from tests.evaluation.stage import write_set
from tests.tiny_models import save_llama


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a tiny model."""
    folder = tmp_path_factory.mktemp("eval")
    write_set(folder / "data" / "stage", pictures=False)
    (folder / "empty").mkdir()
    (folder / "file").write_text("no folder")
    save_llama(folder / "llama")
    return folder


def ruxi(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from ruxi.cli import main; main()", "eval", *arguments],
        capture_output=True, text=True, cwd=folder, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "RUXI_HOME": str(folder / "home")},
    )  # fmt: skip


def one_line(result: subprocess.CompletedProcess[str], code: int) -> str:
    assert (result.returncode, result.stdout) == (code, ""), result.stderr
    (line,) = result.stderr.strip().splitlines()
    return line


def test_a_model_is_measured_resumed_and_compared(folder: Path) -> None:
    command = ("llama", "--data", "data", "--tasks", "next_reply,reply_likelihood@stage", "--limit", "6")
    options = ("--set", "next_reply.candidates=3", "--seeds", "2", "--json")
    first = ruxi(folder, *command, *options)
    assert first.returncode == 0, first.stderr
    results = json.loads(first.stdout)
    assert [task["items"] for task in results["tasks"]] == [6, 6]
    assert results["model"]["base_digest"]
    assert results["run"]["versions"]["torch"]
    out = folder / "eval" / "llama"
    assert "hits@1" in (out / "results.md").read_text()
    for path in sorted((out / "records").rglob("seed-*.jsonl")):
        # As if it had been stopped after two items, and in the middle of writing the third.
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4])[:-20])
    again = json.loads(ruxi(folder, *command, *options).stdout)
    assert [task["metrics"] for task in again["tasks"]] == [task["metrics"] for task in results["tasks"]]
    refused = one_line(ruxi(folder, *command, "--set", "next_reply.candidates=4"), 2)
    assert refused.startswith("ruxi: eval/llama/records/next_reply@stage/")
    fresh = ruxi(folder, *command, *options, "--out", "fresh")
    assert json.loads(fresh.stdout)["tasks"][0]["metrics"] == results["tasks"][0]["metrics"]
    compared = ruxi(folder, "--compare", "eval/llama", "fresh", "--json")
    assert compared.returncode == 0, compared.stderr
    differences = json.loads(compared.stdout)["differences"]
    assert {one["p_value"] for one in differences} == {1.0}
    assert {one["difference"] for one in differences} == {0.0}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ("", 2, "a model and data are needed"),
        ("runs/gone/adapter --data data", 2, "'runs/gone/adapter' is neither a folder"),
        ("empty --data data", 1, "empty: has no .safetensors file"),
        ("http://127.0.0.1:9/v1 --data data --tasks latency", 1, "http://127.0.0.1:9/v1: no answer after "),
        ("llama --data empty", 1, "empty: is no data set and holds none. Make one with `ruxi data import`."),
        ("llama --data gone", 1, "gone: there is no such folder. Give the folder of a data set."),
        ("llama --data data --tasks next_replies", 2, "no task is called 'next_replies'. Known: "),
        ("llama --data data --tasks next_reply@there", 2, "no data set is called 'there'. Given: stage."),
        ("llama --data data --set candidates=3", 2, "Write TASK.NAME=VALUE."),
        ("llama --data data --set next_reply.candidates=few", 2, "task next_reply: candidates: "),
        ("llama --data data/stage --tasks next_reply --set next_reply.candidates=99", 1, "no reply has 98 distractors"),
        ("llama --data data/stage --tasks weather", 1, "Give data like those of `ruxi data import weather`."),
        ("llama --data data/stage --tasks judge", 1, "task judge: needs a judge"),
        ("llama --data data --tasks reply_likelihood --out file", 1, "Name another place, or make room there."),
        ("--compare empty gone", 1, "empty/results.json: cannot be read"),
        ("--table gone", 1, "gone/results.json: cannot be read"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    folder: Path, ruxi_eval: RuxiEval, monkeypatch: pytest.MonkeyPatch, arguments: str, code: int, told: str
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RUXI_HOME", str(folder / "home"))
    found, out, said = ruxi_eval(*arguments.split())
    assert (found, out) == (code, ""), said
    (line,) = said.strip().splitlines()
    assert line.startswith("ruxi: ")
    assert told in line


def test_a_judge_that_is_down_is_told_and_what_was_made_up_can_be_judged_later(
    folder: Path, ruxi_eval: RuxiEval, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RUXI_HOME", str(folder / "home"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    command = ("llama", "--data", "data", "--tasks", "judge", "--limit", "1", "--out", "judged")
    code, out, said = ruxi_eval(*command, "--judge", "http://127.0.0.1:9/v1")
    assert code == 1
    assert "Skipped: http://127.0.0.1:9/v1: no answer after " in out
    assert said.startswith("ruxi: no task could be done; judge@stage: http://127.0.0.1:9/v1: no answer after ")
    assert "Check that the server runs" in said
    assert (folder / "judged" / "report.html").is_file()


def test_the_tasks_are_listed_with_their_options(folder: Path) -> None:
    listed = json.loads(ruxi(folder, "--list", "--json").stdout)
    assert "candidates" in listed["next_reply"]["options"]
    assert all(described["summary"] for described in listed.values())
    # Scored answers are in the data, so that one task asks nothing of a model.
    assert {name for name, described in listed.items() if not described["needs"]} == {"judge_agreement"}
    assert all(all(task["options"].values()) for task in listed.values())
