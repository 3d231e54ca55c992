"""The whole way on speech whose times are known: Piper speaks, Whisper listens, `ruxi data align` finds the truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "alignment.py"


@pytest.mark.weights
@pytest.mark.slow
def test_words_offset_and_drift_on_spoken_material() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, BENCHMARK, "--json", "--lines", "12"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=environment)
    assert done.returncode == 0, done.stderr
    for case in json.loads(done.stdout)["cases"]:
        assert abs(case["offset_error"]) < 0.1
        assert abs(case["drift_error"]) < 0.002
        assert case["median_word_error"] < 0.15
        assert case["spoken_lines_aligned"] == 12
        assert case["unspoken_lines_aligned"] == 0
