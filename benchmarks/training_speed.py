"""Training speed and memory beside TRL's `SFTTrainer`, on the same model, dialogues, targets, LoRA and machine.

    pip install trl==1.16.0
    python benchmarks/training_speed.py DATA [--steps 3] [--threads 2] [--only ruxi] [--profile] [--tokens FILE]

DATA is the folder that `ruxi data import mmrole` made. The dialogues are tokenised once; both trainers pack the same
sequences into rows of 1024 tokens and learn the same targets, in bfloat16 with float32 LoRA of rank 8 on every linear
layer of SmolLM2-135M. Each trains in a process of its own, one after the other, because peak memory is the process's.
TRL runs twice: without gradient checkpointing, which is what the ratios are told against, and with it, its default.

Useful tokens are those of real sequences, padding left out. The seconds of the processor are told beside those of the
clock, for machines that do other work. With --profile, one step of ours says where the time goes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LENGTH = 1024
WARM_UP = 1
"""Steps that are not counted: they pay for memory and kernels."""
RUNS = {"ruxi": "ruxi", "trl": "TRL", "trl-checkpointing": "TRL, gradient checkpointing (its default)"}


def recipe_for(data: Path, dialogues: int, steps: int) -> Any:
    from ruxi.training.recipe import check_recipe

    return check_recipe(
        {
            "name": "speed",
            "model": {"lora": {"rank": 8, "alpha": 16, "dropout": 0.05}},
            "data": [{"path": str(data), "languages": ["en"], "limit": dialogues}],
            "sequence": {"length": LENGTH},
            "optimiser": {"learning_rate": 2e-4},
            "run": {"steps": steps, "evaluate_every": 10**6, "log_every": 1, "precision": "bfloat16"},
        }
    )


def tokenise(recipe: Any, path: Path) -> int:
    """Write the training sequences with their targets as JSON lines."""
    from ruxi.training.run import prepare

    examples = prepare(recipe).train
    with path.open("w") as file:
        for example in examples:
            labels = [t if wanted else -100 for t, wanted in zip(example.input_ids, example.targets, strict=True)]
            row = {"input_ids": example.input_ids.tolist(), "labels": [int(t) for t in labels]}
            file.write(json.dumps(row) + "\n")
    return len(examples)


def clock() -> Any:
    """A Trainer callback that notes when each step ended, by the clock and by the processor."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.ends: list[tuple[float, float]] = []

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.ends.append((time.perf_counter(), time.process_time()))

    return Clock()


def facts(ends: list[tuple[float, float]], tokens: list[int], losses: list[float], loaded: float) -> dict[str, Any]:
    counted = sum(tokens[WARM_UP:])
    seconds, processor = (ends[-1][i] - ends[WARM_UP - 1][i] for i in (0, 1))
    return {
        "tokens": counted,
        "tokens a second": round(counted / seconds, 1),
        "tokens a processor second": round(counted / processor, 1),
        "peak memory, MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "before the first step, MB": round(loaded),
        "losses": [round(loss, 3) for loss in losses],
    }


def memory_now() -> float:
    """Resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def train_ruxi(recipe: Any, data: Path, work: Path) -> dict[str, Any]:
    from ruxi.training.run import planned_rows, train

    prepared = prepared_from(recipe, data)
    loaded = memory_now()
    watch = clock()
    train(recipe, work / "ruxi", prepared=prepared, callbacks=[watch], quiet=True)
    rows, steps = planned_rows(recipe, prepared)
    tokens = [sum(len(prepared.train[i]) for i in row) for row in rows[:steps]]
    state = json.loads(next((work / "ruxi").glob("checkpoint-*/trainer_state.json")).read_text())
    losses = [entry["loss"] for entry in state["log_history"] if "loss" in entry]
    return facts(watch.ends, tokens, losses, loaded)


def prepared_from(recipe: Any, data: Path) -> Any:
    import numpy as np

    from ruxi.training.building import build_model
    from ruxi.training.examples import Example
    from ruxi.training.media import TrainingMedia
    from ruxi.training.run import Prepared

    examples = []
    for number, line in enumerate(data.read_text().splitlines()):
        row = json.loads(line)
        ids = np.asarray(row["input_ids"], dtype=np.int32)
        targets = np.asarray(row["labels"]) != -100
        examples.append(Example(str(number), str(number), ids, np.zeros_like(ids), targets, (), ()))
    return Prepared(build_model(recipe), examples, [len(examples)], [], TrainingMedia([], {}))


def train_trl(recipe: Any, data: Path, work: Path, *, checkpointing: bool) -> dict[str, Any]:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    from ruxi.model.base import base_folder

    folder = base_folder(recipe.model.base)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    loaded = memory_now()
    lora = recipe.model.lora
    steps = recipe.run.steps
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(work / "trl"),
            max_steps=steps,
            per_device_train_batch_size=1,
            packing=True,
            max_length=LENGTH,
            gradient_checkpointing=checkpointing,
            bf16=True,
            use_cpu=True,
            learning_rate=recipe.optimiser.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=1,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list([json.loads(line) for line in data.read_text().splitlines()]),
        processing_class=AutoTokenizer.from_pretrained(folder),
        peft_config=LoraConfig(
            r=lora["rank"],
            lora_alpha=lora["alpha"],
            lora_dropout=lora["dropout"],
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )
    watch = clock()
    trainer.add_callback(watch)
    trainer.train()
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    seen = [0, *(int(entry["num_tokens"]) for entry in history)]
    tokens = [after - before for before, after in itertools.pairwise(seen)]
    return facts(watch.ends, tokens, [entry["loss"] for entry in history], loaded)


def profile_ruxi(recipe: Any, data: Path) -> dict[str, Any]:
    """Shares of one step by what it is spent on."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from ruxi.training.building import build_objectives
    from ruxi.training.learner import Learner
    from ruxi.training.packing import Collator
    from ruxi.training.run import planned_rows

    prepared = prepared_from(recipe, data)
    learner = Learner(prepared.model, build_objectives(recipe, prepared), precision=torch.bfloat16).train()
    collate = Collator(prepared.train, prepared.media.of, streams=(), pad=0)
    rows, _ = planned_rows(recipe, prepared)
    optimizer = torch.optim.AdamW(learner.parameter_groups(2e-4, 2e-4, 2e-4, 0.01))

    def step(number: int) -> None:
        with torch.profiler.record_function("collation"):
            batch = collate.collate([rows[number]])
        loss = learner(batch)["reply"]
        (loss.total / loss.count).backward()
        optimizer.step()
        optimizer.zero_grad()

    step(0)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        step(1)
    spent = {entry.key: entry.cpu_time_total for entry in profiled.key_averages()}
    # Names of the autograd functions that do each; the way back is a function of its own.
    parts = {
        "linear layers with LoRA": ("_Lora", "_LoraBackward"),
        "attention": ("_PackedAttention", "_PackedAttentionBackward"),
        "language head and loss": ("_FrozenHeadCrossEntropy", "_FrozenHeadCrossEntropyBackward"),
        "SwiGLU": ("_SwiGlu", "_SwiGluBackward"),
        "RMSNorm": ("_Norm", "_NormBackward"),
        "dropout masks": ("aten::random_", "aten::ge"),
        "optimiser": ("Optimizer.step#AdamW.step",),
        "collation": ("collation",),
    }
    whole = sum(entry.self_cpu_time_total for entry in profiled.key_averages())
    shares = {name: sum(spent.get(key, 0.0) for key in keys) / whole for name, keys in parts.items()}
    shares["rotary positions, residuals, the rest"] = 1.0 - sum(shares.values())
    return {name: round(share, 3) for name, share in shares.items()}


def child(arguments: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(arguments.threads)
    recipe = recipe_for(arguments.data, arguments.dialogues, arguments.steps)
    tokens, work = arguments.tokens, arguments.work / arguments.child
    if arguments.child == "tokenise":
        found: Any = tokenise(recipe, tokens)
    elif arguments.child == "profile":
        found = profile_ruxi(recipe, tokens)
    elif arguments.child == "ruxi":
        found = train_ruxi(recipe, tokens, work)
    else:
        found = train_trl(recipe, tokens, work, checkpointing=arguments.child.endswith("checkpointing"))
    print(json.dumps(found))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, str(arguments.data), "--work", folder]
        tokens = arguments.tokens or Path(folder) / "tokens.jsonl"
        command += ["--tokens", str(tokens)]
        for name in ("steps", "threads", "dialogues"):
            command += [f"--{name}", str(getattr(arguments, name))]
        environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}

        def run(name: str) -> Any:
            done = subprocess.run([*command, "--child", name], stdout=subprocess.PIPE, text=True, env=environment)
            if done.returncode:
                sys.exit(f"{name} failed")
            return json.loads(done.stdout.splitlines()[-1])

        if not tokens.is_file():
            run("tokenise")
        sequences = len(tokens.read_text().splitlines())
        found = {"sequences": sequences, "threads": arguments.threads, "steps": arguments.steps - WARM_UP}
        found |= {name: run(name) for name in (arguments.only or ",".join(RUNS)).split(",")}
        if arguments.profile:
            found["profile"] = run("profile")
    if "ruxi" in found and "trl" in found:
        for name in ("tokens a second", "tokens a processor second", "peak memory, MB"):
            found[f"ratio of {name}"] = round(found["ruxi"][name] / found["trl"][name], 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=3, help=f"optimiser steps, {WARM_UP} of them to warm up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dialogues", type=int, default=60)
    parser.add_argument("--only", help="some of " + ", ".join(RUNS) + ", separated by commas")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--tokens", type=Path, help="tokenised sequences: made if it is not there, kept")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments)
        return
    found = measure(arguments)
    if arguments.json:
        print(json.dumps(found))
        return
    columns = [name for name in RUNS if name in found]
    print(f"{found['sequences']} sequences, {found['steps']} steps counted, {found['threads']} thread(s)\n")
    print(f"| | {' | '.join(RUNS[name] for name in columns)} |\n|---|{'---|' * len(columns)}")
    for measured in found[columns[0]]:
        print(f"| {measured} | {' | '.join(str(found[name][measured]) for name in columns)} |")
    print()
    for name, value in found.items():
        if name.startswith("ratio"):
            print(f"{name}, ruxi to TRL: {value}")
    for name, share in found.get("profile", {}).items():
        print(f"{name}: {share:.1%}")


if __name__ == "__main__":
    main()
