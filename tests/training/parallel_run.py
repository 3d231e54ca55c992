"""Trains a tiny model on dialogues of which some have a picture; started by the test, in one process or in several.

python -m tests.training.parallel_run BASE OUT ACCUMULATION
torchrun --nproc-per-node 2 -m tests.training.parallel_run BASE OUT ACCUMULATION
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from ruxi.features import FeatureSequence
from ruxi.training import processes
from ruxi.training.building import build_model
from ruxi.training.examples import Example, Medium, TurnLabels
from ruxi.training.recipe import check_recipe
from ruxi.training.run import Prepared, train

ROWS = 12


def example(number: int) -> Example:
    """One row full: every third has a picture, every fourth other replies, the second has nothing to learn."""
    rng = np.random.default_rng(number)
    turns = np.array([-1] * 4 + [0] * 20 + [1] * (40 + number % 5))
    targets = (turns == 1) & (number != 1)
    return Example(
        id=str(number),
        group=str(number),
        input_ids=rng.integers(3, 60, len(turns), dtype=np.int32),
        turn_ids=turns.astype(np.int32),
        targets=targets,
        media=(Medium("image", str(number), 0),) if number % 3 == 0 else (),
        turns=(TurnLabels(0, 23, number % 28 if number % 4 == 0 else -100, -100, False),),
        fork=25,
        others=tuple(rng.integers(3, 60, 8, dtype=np.int32) for _ in range(3)) if number % 4 == 2 else (),
    )


def features(medium: Medium) -> FeatureSequence:
    """Random features that depend on the medium."""
    values = np.random.default_rng(int(medium.media)).normal(size=(6, 12)).astype(np.float16)
    return FeatureSequence(values, np.zeros((6, 2), dtype=np.float32))


def recipe(base: str, accumulation: int) -> dict[str, Any]:
    """Rows of one dialogue, so that a step sees the same ones however many processes share it."""
    return {
        "name": "parallel",
        "model": {
            "base": base,
            "modalities": {"image": {"extractor": "none", "width": 12, "tokens": 4}},
            "resampler": {"width": 16, "heads": 2},
            "fusion": {"every": 2, "heads": 2, "head_width": 8},
            "guidance": {"dropout": 0.0, "media_dropout": 0.0},
            "lora": {"rank": 4, "dropout": 0.0},
        },
        "data": [{"path": "none", "choices": ["other_role"]}],
        "choice": {"candidates": 4, "reply_tokens": 8, "context_tokens": 32},
        "sequence": {"length": 100, "modality_dropout": 0.3},
        "objectives": {"reply": 1.0, "emotion": 0.5, "choice": 0.5},
        "optimiser": {"learning_rate": 0.01, "gate_learning_rate": 0.1, "accumulation": accumulation},
        "run": {"epochs": 1, "evaluate_every": 3, "log_every": 1, "precision": "float32", "example_prompts": 0},
    }


def main() -> None:
    base, out, accumulation = sys.argv[1:]
    checked = check_recipe(recipe(base, int(accumulation)))
    processes.join()
    model = build_model(checked)
    for block in model.fusion.blocks.values():
        torch.nn.init.constant_(block.gate, 0.5)
    media: Any = SimpleNamespace(of=features)
    held_out = [example(100 + n) for n in range(5)]
    examples = [example(n) for n in range(ROWS)]
    train(checked, Path(out), prepared=Prepared(model, examples, [ROWS], held_out, media), quiet=True)


if __name__ == "__main__":
    main()
