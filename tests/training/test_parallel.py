"""Two processes learn what one does, also when one of them has no picture, or nothing to learn at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ruxi.model.adapter import read_adapter_weights
from tests.tiny_models import save_llama
from tests.training.runs import tiny_recipe

ROOT = Path(__file__).parents[2]
TWO = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29511"]


def python(*arguments, cwd=ROOT, timeout=240):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=timeout, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_two_processes_end_with_the_losses_of_one_at_the_same_global_batch(tmp_path):
    base = str(save_llama(tmp_path / "base"))
    python("-m", "tests.training.parallel_run", base, str(tmp_path / "one"), "2")
    python(*TWO, "-m", "tests.training.parallel_run", base, str(tmp_path / "two"), "1")
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert len(one) == len(two) >= 2
    for alone, together in zip(one, two, strict=True):
        assert together == pytest.approx(alone, rel=1e-3)
    assert one[-1]["eval_reply_nats"] < one[0]["eval_reply_nats"]
    logs = {}
    for name in ("one", "two"):
        newest = max((tmp_path / name).glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
        history = json.loads((newest / "trainer_state.json").read_text())["log_history"]
        logs[name] = [entry for entry in history if "loss" in entry]
    for alone, together in zip(logs["one"], logs["two"], strict=True):
        assert together["loss"] == pytest.approx(alone["loss"], rel=1e-3)
        assert together["reply_nats"] == pytest.approx(alone["reply_nats"], rel=1e-3)
        assert together["grad_norm"] == pytest.approx(alone["grad_norm"], rel=1e-2)
    alone, together = (read_adapter_weights(tmp_path / name / "adapter") for name in ("one", "two"))
    assert all((alone[name] - together[name]).abs().max() < 0.01 for name in alone)
    assert json.loads((tmp_path / "two" / "run.json").read_text())["processes"] == 2


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_the_command_runs_under_torchrun_and_only_the_first_process_speaks(tmp_path):
    content = tiny_recipe(tmp_path, steps=3, evaluate_every=3)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content))
    said = python(*TWO, "-m", "ruxi", "train", "recipe.yaml", "--json", cwd=tmp_path)
    assert json.loads(said)["steps"] == 3
    folder = tmp_path / "runs" / "tiny"
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    assert len(list((folder / "tensorboard").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_sharded_weights_learn_what_whole_ones_do_although_pictures_differ_between_processes(tmp_path):
    base = str(save_llama(tmp_path / "base"))
    (tmp_path / "out").mkdir()
    python(*TWO, "-m", "tests.training.sharded_run", base, str(tmp_path / "out"))
    for whole, sharded in json.loads((tmp_path / "out" / "losses.json").read_text()):
        assert sharded == pytest.approx(whole, rel=1e-3)
    whole, sharded = (read_adapter_weights(tmp_path / "out" / name) for name in ("whole", "sharded"))
    assert whole.keys() == sharded.keys()
    assert all((whole[name] - sharded[name]).abs().max() < 0.01 for name in whole)
