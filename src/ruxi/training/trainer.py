"""The training loop is transformers' `Trainer`; here is what Ruxi adds to it.

- Losses of several objectives: replies are averaged over all target tokens of a step, whatever the accumulation and the
  number of processes; other objectives over the batches of a step.
- Evaluation sums over the whole held-out set and gives every objective's own measure.
- Checkpoints hold the adapter alone; optimiser, schedule and random states are the Trainer's.
- The order of batches is fixed beforehand (`ruxi.training.packing`), so it is read in sequence.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainingArguments

from ruxi.model.adapter import read_adapter_weights
from ruxi.training.batch import Batch
from ruxi.training.learner import NOTHING, Learner
from ruxi.training.objectives import Loss
from ruxi.training.packing import Collator
from ruxi.training.recipe import CHOOSING
from ruxi.training.settings import OptimiserSettings


class RolePlayTrainer(Trainer):
    """Trains a `Learner`.

    Args:
        learner: What is trained.
        arguments: The Trainer's own settings.
        rows: The packed rows of the whole run, in order.
        collator: Makes batches of them.
        held_out: Batches to evaluate on.
        optimiser: Learning rates and decay.
        on_evaluation: Called with the metrics of each evaluation.
    """

    def __init__(
        self,
        learner: Learner,
        arguments: TrainingArguments,
        rows: Sequence[dict[str, Any]],
        collator: Collator,
        *,
        held_out: Sequence[Batch],
        optimiser: OptimiserSettings,
        on_evaluation: Callable[[dict[str, float]], None] = lambda metrics: None,
        callbacks: Sequence[Any] = (),
    ) -> None:
        super().__init__(
            model=learner,
            args=arguments,
            train_dataset=rows,
            eval_dataset=[None] if held_out else None,
            data_collator=collator,
            callbacks=list(callbacks),
        )
        self.learner = learner
        self.held_out = held_out
        self.optimiser_settings = optimiser
        self.on_evaluation = on_evaluation
        self.model_accepts_loss_kwargs = True
        self._sums: dict[str, float] = defaultdict(float)
        self._since = time.perf_counter()

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """AdamW with a rate for each kind of parameter."""
        optimizer: torch.optim.Optimizer | None = self.optimizer  # type: ignore[has-type]
        if optimizer is None:
            settings = self.optimiser_settings
            fusion = settings.fusion_learning_rate or settings.learning_rate
            groups = self.learner.parameter_groups(
                settings.learning_rate, fusion, settings.gate_learning_rate or fusion, settings.weight_decay
            )
            optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
            self.optimizer = optimizer
        return optimizer

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The weighted sum of all objectives; see the module for how each is averaged."""
        losses = model(inputs["batch"], inputs["labels"])
        steps = self.current_gradient_accumulation_steps
        total = torch.zeros((), device=inputs["labels"].device)
        for objective, weight in self.learner.objectives:
            loss = losses.get(objective.name)
            if loss is None:
                continue
            if objective.name == "reply" and num_items_in_batch is not None:
                # Gradients are averaged over processes, but the count is of all of them.
                share = loss.total / num_items_in_batch * self.accelerator.num_processes
            else:
                share = loss.total / max(loss.count, 1) / steps
            total = total + weight * share
            _note(self._sums, objective.name, loss)
        self._sums["tokens"] += float(inputs["batch"].attention_mask.sum())
        if NOTHING in losses:
            total = total + losses[NOTHING].total
        return (total, losses) if return_outputs else total

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Forward and backward; columns that are frozen get no gradient."""
        loss: Tensor = super().training_step(*args, **kwargs)
        self.learner.erase_frozen_gradients()
        return loss

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {name: value.to(self.args.device) for name, value in inputs.items()}

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add objectives, gates and speed to what the Trainer logs while it trains."""
        if "loss" in logs:
            sums = self._summed(self._sums)
            logs |= measures(sums)
            elapsed = time.perf_counter() - self._since
            logs["tokens_per_second"] = round(sums["tokens"] / max(elapsed, 1e-9), 1)
            logs |= {f"gate_{layer}": round(gate, 5) for layer, gate in self.learner.model.fusion.gates().items()}
            self._sums.clear()
            self._since = time.perf_counter()
        super().log(logs, *args, **kwargs)

    @torch.no_grad()
    def evaluate(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> dict[str, float]:
        """Sum every objective over the held-out batches, shared among processes."""
        was_training = self.learner.training
        self.learner.eval()
        sums: dict[str, float] = defaultdict(float)
        for start in range(0, len(self.held_out), self.accelerator.num_processes):
            index = start + self.accelerator.process_index
            # Sharded weights are put together in every pass, so all processes take part to the last batch.
            batch = self.held_out[index if index < len(self.held_out) else start]
            losses = self.learner(self._prepare_inputs({"batch": batch})["batch"])
            if index >= len(self.held_out):
                continue
            for name, loss in losses.items():
                _note(sums, name, loss)
        sums = self._summed(sums)
        self.learner.train(was_training)
        found = measures(sums)
        weighted = [
            weight * sums[f"{o.name}_total"] / sums[f"{o.name}_count"]
            for o, weight in self.learner.objectives
            if sums[f"{o.name}_count"]
        ]
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        metrics[f"{metric_key_prefix}_loss"] = float(sum(weighted))
        self.on_evaluation({"step": self.state.global_step, **metrics})
        self.log(metrics)
        control = self.control  # type: ignore[has-type]
        self.control = self.callback_handler.on_evaluate(self.args, self.state, control, metrics)
        self._since = time.perf_counter()
        return metrics

    def _summed(self, sums: dict[str, float]) -> dict[str, float]:
        """Add up over processes."""
        objectives = [objective for objective, _ in self.learner.objectives]
        names = ["tokens"] + [f"{o.name}_{kind}" for o in objectives for kind in ("total", "count", "correct")]
        names += [f"{o.name}_{name}_{kind}" for o in objectives for name in o.further for kind in ("sum", "number")]
        values = torch.tensor([sums[name] for name in names], dtype=torch.float64, device=self.accelerator.device)
        total = self.accelerator.reduce(values, reduction="sum")
        return dict(zip(names, total.tolist(), strict=True))

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        self.save_adapter(Path(output_dir or self.args.output_dir))

    def save_adapter(self, folder: Path, *, dtype: torch.dtype | None = None) -> None:
        """Save the adapter; of sharded weights every process must ask for it, and the first one writes."""
        weights = whole_weights(self.learner.model.adapter_weights())
        if self.args.should_save:
            self.learner.model.save_pretrained(folder, dtype=dtype, weights=weights)

    def interpolate(self, start: Mapping[str, Tensor], share: float) -> None:
        """Set the adapter between what it was and what it has become: start + share (trained - start).

        Between a model and what further training made of it lie models that have most of what is new and have
        forgotten less (WiSE-FT, Wortsman et al., CVPR 2022, arXiv:2109.01903).

        Args:
            start: The weights before training, by the adapter's names.
            share: From 0, the start, to 1, what was trained.
        """
        trained = whole_weights(self.learner.model.adapter_weights())
        between = {name: torch.lerp(start[name].to(weight), weight, share) for name, weight in trained.items()}
        self._set_adapter(between, Path(self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        folder = Path(resume_from_checkpoint)
        self._set_adapter(read_adapter_weights(folder), folder)

    def _set_adapter(self, weights: Mapping[str, Tensor], where: Path) -> None:
        own = self.learner.model.adapter_weights()
        self.learner.model.load_adapter_weights(sharded_as(own, weights), where=where)

    def _load_best_model(self) -> None:
        if self.state.best_model_checkpoint is not None:
            self._load_from_checkpoint(self.state.best_model_checkpoint)


def _note(sums: dict[str, float], name: str, loss: Loss) -> None:
    """Add a loss of one objective to the sums, see `measures`."""
    sums[f"{name}_total"] += float(loss.total.detach())
    sums[f"{name}_count"] += loss.count
    sums[f"{name}_correct"] += loss.correct or 0
    for measure, (value, number) in loss.further.items():
        sums[f"{name}_{measure}_sum"] += value
        sums[f"{name}_{measure}_number"] += number


def whole_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put together what FSDP has spread over processes, all of which must ask; other weights stay as they are."""
    return {name: t.full_tensor() if isinstance(t, DTensor) else t for name, t in weights.items()}


def sharded_as(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Spread whole weights over processes as FSDP has spread those of the same name."""
    spread = dict(weights)
    for name, tensor in own.items():
        if isinstance(tensor, DTensor) and name in spread:
            whole = spread[name].to(tensor.device, tensor.dtype)
            spread[name] = distribute_tensor(whole, tensor.device_mesh, tensor.placements)
    return spread


def measures(sums: dict[str, float]) -> dict[str, float]:
    """Means of summed losses: nats a token for replies, loss and accuracy for the rest.

    Args:
        sums: `NAME_total`, `NAME_count`, `NAME_correct`; `NAME_MEASURE_sum` and `_number` for further measures.
    """
    found = {}
    for key, count in list(sums.items()):
        name, _, kind = key.rpartition("_")
        if kind not in ("count", "number") or not count:
            continue
        if kind == "number":
            found[name] = round(sums[f"{name}_sum"] / count, 5)
            continue
        mean = sums[f"{name}_total"] / count
        found["reply_nats" if name == "reply" else f"{name}_loss"] = round(mean, 5)
        if name in CHOOSING:
            found[f"{name}_accuracy"] = round(sums[f"{name}_correct"] / count, 4)
    return found
