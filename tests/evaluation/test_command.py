"""`ruxi eval` as a program, with a real model that is tiny."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluation.stage import write_set
from tests.tiny_models import save_llama


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a tiny model."""
    folder = tmp_path_factory.mktemp("eval")
    write_set(folder / "data" / "stage", pictures=False)
    (folder / "empty").mkdir()
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


def test_mistakes_are_told_in_one_line(folder: Path) -> None:
    assert "a model and data are needed" in one_line(ruxi(folder), 2)
    wrong = one_line(ruxi(folder, "llama", "--data", "data", "--tasks", "next_reply@elsewhere"), 2)
    assert wrong == "ruxi: no data set is called 'elsewhere'. Given: stage."
    assert "ruxi data import" in one_line(ruxi(folder, "llama", "--data", "empty"), 1)
    assert "TASK.NAME=VALUE" in one_line(ruxi(folder, "llama", "--data", "data", "--set", "candidates=3"), 2)
    few = ("llama", "--data", "data/stage", "--tasks", "next_reply", "--set", "next_reply.candidates=99")
    assert "no reply has 98 distractors" in one_line(ruxi(folder, *few), 1)


def test_the_tasks_are_listed_with_their_options(folder: Path) -> None:
    listed = json.loads(ruxi(folder, "--list", "--json").stdout)
    assert "candidates" in listed["next_reply"]["options"]
    assert all(described["summary"] for described in listed.values())
    # Scored answers are in the data, so that one task asks nothing of a model.
    assert {name for name, described in listed.items() if not described["needs"]} == {"judge_agreement"}
    assert all(all(task["options"].values()) for task in listed.values())
