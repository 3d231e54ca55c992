"""The tiny recipe as it stands, from its data set to a chat: the whole way that a user goes, in about two minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_tiny_recipe_learns_and_its_adapter_can_be_talked_with(tmp_path):
    def run(*command: str) -> str:
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(str(ROOT / "tools" / "tiny_set.py"), "sets/tiny")
    result = json.loads(run("-m", "ruxi", "train", str(ROOT / "recipes" / "tiny.yaml"), "--json"))
    lines = (tmp_path / "runs" / "tiny" / "metrics.jsonl").read_text().splitlines()
    held_out = [json.loads(line)["eval_reply_nats"] for line in lines]
    assert held_out[-1] < held_out[0] - 0.3
    picture = next(path for path in (tmp_path / "sets" / "tiny" / "media").rglob("*.png"))
    asked = ("--say", "How is the weather?", "--image", str(picture), "--max-tokens", "12", "--temperature", "0")
    reply = json.loads(run("-m", "ruxi", "chat", "mira", "--model", result["adapter"], *asked, "--json"))
    assert reply["text"].strip()
