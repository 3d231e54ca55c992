"""`ruxi data check` as a person or a program runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .conftest import LINES, dialogue

MakeSet = Callable[..., Path]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("ruxi"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_errors_end_with_1_and_a_fixed_copy_with_0(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set([dialogue(1, ("Mira", LINES[0]), ("Stranger\x1b[2J", LINES[1]))])
    seen = run("data", "check", folder)
    assert seen.returncode == 1
    assert "is not in the cast. Add the speaker" in seen.stdout
    assert "\x1b[2J" not in seen.stdout

    fixed = run("data", "check", folder, "--fix", "--json")
    assert fixed.returncode == 0, fixed.stderr
    answer = json.loads(fixed.stdout)
    assert answer["errors"] == 1
    assert answer["faults"][0]["check"] == "cast"
    assert answer["fixed"]["repairs"] == {"cast": 1}
    copy = Path(answer["fixed"]["folder"])
    assert copy.name == "set-fixed"
    assert {"check.json", "check.md", "rejected.jsonl", "dialogues.jsonl"} <= {path.name for path in copy.iterdir()}
    assert run("data", "check", copy).returncode == 0


def test_wrong_use_is_one_line_and_ends_with_2(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set([dialogue(1, ("User", LINES[0]), ("Mira", LINES[1]))])
    for wrong in (["--in-place"], ["--skip", "spelling"]):
        seen = run("data", "check", folder, *wrong)
        assert (seen.returncode, seen.stderr.count("\n")) == (2, 1)
        assert seen.stderr.startswith("ruxi: ")
    assert run("data", "check", tmp_path / "nowhere").returncode == 1
