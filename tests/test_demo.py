"""The demonstration, from nothing to a saved dialogue."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ruxi.dialogues.store import DialogueSet


@pytest.mark.weights
@pytest.mark.slow
def test_the_demo_sees_hears_answers_and_saves(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "ruxi.demo"], capture_output=True, text=True, cwd=tmp_path, timeout=580,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "saw:   espresso" in result.stdout
    assert re.search("heard: '.*(fly|next)", result.stdout)
    assert "together" in result.stdout
    (dialogue,) = DialogueSet.open(tmp_path / "demo")
    assert [turn.speaker for turn in dialogue.turns] == ["Mira", "User", "Mira", "User", "Mira"]
    assert [part.kind for turn in dialogue.turns for part in turn.parts if part.media] == ["image", "audio"]
    assert (tmp_path / "demo" / "answer.wav").stat().st_size > 10_000
