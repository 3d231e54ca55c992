"""What sharing the context saves in next reply, and how long all of MMRole-Bench takes.

    python benchmarks/evaluation_speed.py DATA [--items 4] [--model smollm2-135m-instruct] [--threads 2] [--json]

DATA is the folder that `ruxi data import mmrole-bench` made. The same items are scored twice by the torch engine: with
contexts shared, as `ruxi eval` does, and with every candidate read from its first token on. Whether both find the same
numbers is checked. The seconds of the processor are told beside those of the clock, for machines that do other work.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ruxi.evaluation import EvaluationData, Player, make_task
from ruxi.evaluation.replies import before_reply
from ruxi.evaluation.runner import batches
from ruxi.prompt import Prompt
from ruxi.runtime import load


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - clock, time.process_time() - processor


def measure(folder: Path, model: str, items: int, threads: int) -> dict[str, Any]:
    data = EvaluationData(folder)
    task = make_task("next_reply")
    everything = task.items(data, 0)
    chosen = random.Random(1).sample(list(batches(task, everything)), items)
    player = Player(load(model, threads=threads))
    prompts: list[list[Prompt]] = []
    for batch in chosen:
        prompts.append([])
        for item in batch:
            context = player.prompt(item.character, before_reply(item), item.speaker, task.options, data.media)
            prompts[-1] += [player.answered(context, text, 96) for text in item.candidates]
    asked = sum(len(batch) for batch in chosen)
    # The first pass pays for memory and kernels.
    player.engine.log_likelihood(prompts[0][:2], {})
    shared, clock, processor = timed(lambda: [s for p in prompts for s in player.engine.log_likelihood(p, {})])
    few = [batch[:: max(1, len(batch) // 4)] for batch in prompts]
    alone, slow_clock, slow_processor = timed(
        lambda: [player.engine.log_likelihood([prompt], {})[0] for batch in few for prompt in batch]
    )
    positions = [i for i, prompt in enumerate(p for batch in prompts for p in batch)]
    picked = []
    start = 0
    for batch, part in zip(prompts, few, strict=True):
        picked += positions[start : start + len(batch)][:: max(1, len(batch) // 4)][: len(part)]
        start += len(batch)
    apart = max(abs(float(shared[at].mean()) - float(one.mean())) for at, one in zip(picked, alone, strict=True))
    candidates = sum(len(batch) for batch in prompts)
    ratio = (slow_processor / len(alone)) / (processor / candidates)
    worth, _, alone_processor = timed(lambda: [player.worth_alone(p) for p in prompts[0][:20]])
    whole = processor / asked * len(everything) + alone_processor / len(worth) * len(everything)
    return {
        "model": model,
        "threads": threads,
        "items": asked,
        "candidates": candidates,
        "seconds an item": round(clock / asked, 2),
        "processor seconds an item": round(processor / asked, 2),
        "processor seconds a candidate, shared": round(processor / candidates, 3),
        "processor seconds a candidate, alone": round(slow_processor / len(alone), 3),
        "ratio": round(ratio, 1),
        "ratio by the clock": round((slow_clock / len(alone)) / (clock / candidates), 1),
        "largest difference of a mean log-likelihood": round(apart, 4),
        f"minutes for {len(everything)} items, from the processor's seconds": round(whole / threads / 60, 1),
        "mean tokens": round(float(np.mean([len(p.input_ids) for batch in prompts for p in batch]))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--items", type=int, default=4, help="batches of up to four items")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.data, arguments.model, arguments.items, arguments.threads)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
