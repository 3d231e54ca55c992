"""What a person looks at while and after training: example replies, curves, a summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback

from ruxi import files
from ruxi.model import RolePlayForCausalLM
from ruxi.model.base import base_tokenizer
from ruxi.training.examples import Example
from ruxi.training.recipe import Recipe

_REPLY_TOKENS = 48


class ExampleReplies(TrainerCallback):
    """Writes what the model answers to a few held-out dialogues into TensorBoard, at each evaluation.

    Args:
        model: The model.
        held_out: Held-out examples; the first ones with a reply are used, without their media.
        recipe: Says how many.
        writer: TensorBoard's `SummaryWriter`.
    """

    def __init__(self, model: RolePlayForCausalLM, held_out: Sequence[Example], recipe: Recipe, writer: Any) -> None:
        self.model = model
        with_reply = [example for example in held_out if example.targets.any()]
        self.examples = with_reply[: recipe.run.example_prompts]
        self._writer = writer
        self._tokenizer = base_tokenizer(model.config.base_model)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Answer and write."""
        # Sharded weights can be used by all processes together alone, and this is the first one.
        if not state.is_world_process_zero or any(isinstance(p, DTensor) for p in self.model.parameters()):
            return
        device = next(self.model.parameters()).device
        for example in self.examples:
            start = int(np.flatnonzero(example.targets)[0])
            prompt = torch.from_numpy(example.input_ids[:start].astype(np.int64))[None].to(device)
            turns = torch.from_numpy(example.turn_ids[:start].astype(np.int64))[None].to(device)
            made = self.model.generate(prompt, turn_ids=turns, max_new_tokens=_REPLY_TOKENS, do_sample=False)
            text = self._tokenizer.decode(made[0, start:].tolist())
            asked = self._tokenizer.decode(example.input_ids[max(0, start - 60) : start].tolist())
            self._writer.add_text(example.id, f"{asked}\n\n**{text}**", state.global_step)
        self._writer.flush()


def write_curves(folder: Path) -> Path | None:
    """Draw training and held-out losses, and the gates, as `curves.png`."""
    history = _history(folder)
    if not history:
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (losses, gates) = pyplot.subplots(1, 2, figsize=(11, 4), constrained_layout=True)
    for name, label in (("loss", "training loss"), ("eval_loss", "held-out loss")):
        _line(losses, history, name, label)
    for name in sorted({key for entry in history for key in entry if key.startswith("eval_") and "_nats" in key}):
        _line(losses, history, name, f"held-out {name.removeprefix('eval_').removesuffix('_nats')} (nats a token)")
    for layer in sorted(
        {int(key.removeprefix("gate_")) for entry in history for key in entry if key.startswith("gate_")}
    ):
        _line(gates, history, f"gate_{layer}", f"layer {layer}")
    losses.set(xlabel="step", ylabel="loss")
    gates.set(xlabel="step", ylabel="tanh(g)", title="fusion gates")
    for axes in (losses, gates):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8, framealpha=0.5)
        axes.grid(alpha=0.3)
    path = folder / "curves.png"
    with files.writing(path) as file:
        figure.savefig(file, format="png", dpi=120)
    pyplot.close(figure)
    return path


def write_summary(folder: Path, recipe: Recipe, metrics: dict[str, float]) -> Path:
    """Write the measures of the adapter that was kept as a Markdown table."""
    lines = [f"# {recipe.name}", "", "| measure on held-out dialogues | value |", "|---|---|"]
    lines += [
        f"| {name.removeprefix('eval_').replace('_', ' ')} | {value:.4f} |" for name, value in sorted(metrics.items())
    ]
    path = folder / "summary.md"
    files.write_text(path, "\n".join(lines) + "\n")
    return path


def _history(folder: Path) -> list[dict[str, float]]:
    states = sorted(folder.glob("checkpoint-*/trainer_state.json"), key=lambda p: int(p.parent.name.split("-")[1]))
    if not states:
        return []
    history: list[dict[str, float]] = json.loads(states[-1].read_text())["log_history"]
    return history


def _line(axes: Any, history: Sequence[dict[str, float]], name: str, label: str) -> None:
    points = [(entry["step"], entry[name]) for entry in history if name in entry]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, linewidth=1.2, marker=".", markersize=4)
