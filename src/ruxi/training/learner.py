"""The module that is trained: a model with its objectives, so that one call gives all losses.

Losses are computed inside `forward`, because data-parallel wrappers synchronise gradients only for what happens there;
a process whose batch has no picture then still takes part in every exchange.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from ruxi.errors import ModelError
from ruxi.model import RolePlayForCausalLM
from ruxi.training.batch import Batch
from ruxi.training.kernels import speed_up
from ruxi.training.objectives import Loss, Objective, Pass
from ruxi.training.objectives.base import is_sharded

NOTHING = "nothing"
"""Name of the loss of a batch that has nothing to learn from: zero."""


_BASE = "language_model."
_LORA = ".lora_"


class Learner(nn.Module):
    """A model and what it learns.

    Args:
        model: The model; its base stays frozen.
        objectives: With their weights.
        freeze: Names of adapter parts that are not trained, see `ModelSettings.freeze`.
        precision: Arithmetic of the forward pass; adapter weights themselves are float32.
    """

    def __init__(
        self,
        model: RolePlayForCausalLM,
        objectives: Mapping[Objective, float] | Sequence[tuple[Objective, float]],
        *,
        freeze: Sequence[str] = (),
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.model = model
        self.objectives = list(objectives.items() if isinstance(objectives, Mapping) else objectives)
        self.precision = precision
        frozen = _frozen_weights(model, freeze)
        whole = {name for name, columns in frozen.items() if columns.all()}
        self._partly_frozen = {name: columns for name, columns in frozen.items() if name not in whole}
        for name, parameter in model.named_parameters():
            trained = (not name.startswith(_BASE) or _LORA in name) and name not in whole
            parameter.requires_grad_(trained)
            if trained:
                # Small updates would be lost in bfloat16; the arithmetic is autocast instead.
                parameter.data = parameter.data.float()
        if not any(p.requires_grad for p in model.parameters()):
            raise ModelError("nothing is left to train", where="model.freeze", remedy="Freeze fewer parts.")
        speed_up(model.language_model)

    def forward(self, batch: Batch, labels: Tensor | None = None) -> dict[str, Loss]:
        """All losses of a batch by objective; those with nothing to learn from are absent. `NOTHING` is a zero."""
        device = batch.input_ids.device
        with torch.autocast(device.type, self.precision, enabled=self.precision != torch.float32):
            run = self.run(batch)
            found = {objective.name: objective(run) for objective, _ in self.objectives}
        losses = {name: loss for name, loss in found.items() if loss is not None}
        if torch.is_grad_enabled() and is_sharded(self):
            # Sharded gradients are exchanged for what every process has touched, a picture in its batch or not.
            own = (p for n, p in self.model.named_parameters() if p.requires_grad and not n.startswith(_BASE))
            losses[NOTHING] = Loss(sum((0.0 * p.sum() for p in own), 0.0 * run.hidden.sum()), 0)
        elif torch.is_grad_enabled() and not any(loss.total.requires_grad for loss in losses.values()):
            # The step must still be a step for every process, and gradients are exchanged for what happens here.
            touched = vars(run).get("hidden")
            if touched is None or not touched.requires_grad:
                touched = next(p for p in self.model.parameters() if p.requires_grad)
            losses[NOTHING] = Loss(0.0 * touched.sum(), 0)
        return losses

    def erase_frozen_gradients(self) -> None:
        """Take the gradients of frozen columns out of parameters whose other columns learn."""
        for name, columns in self._partly_frozen.items():
            gradient = self.model.get_parameter(name).grad
            if gradient is not None:
                # Sharded by rows, so that every process has all columns.
                own = gradient.to_local() if isinstance(gradient, DTensor) else gradient
                own[..., columns.to(own.device)] = 0

    def run(self, batch: Batch) -> Pass:
        """One forward pass, whose media are encoded and whose decoder is run when an objective asks for it."""
        return Pass(self.model, batch)

    def parameter_groups(
        self, learning_rate: float, fusion_rate: float, gate_rate: float, weight_decay: float
    ) -> list[dict[str, object]]:
        """Groups for AdamW: LoRA, new parts, gates; vectors, latents and what is partly frozen do not decay."""
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            if not parameter.requires_grad:
                continue
            if name.endswith(".gate"):
                key = (gate_rate, 0.0)
            else:
                rate = learning_rate if _LORA in name else fusion_rate
                decays = parameter.ndim > 1 and "latents" not in name and name not in self._partly_frozen
                key = (rate, weight_decay if decays else 0.0)
            groups.setdefault(key, []).append(parameter)
        return [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]


def _frozen_weights(model: RolePlayForCausalLM, parts: Sequence[str]) -> dict[str, Tensor]:
    """Names of the parameters in some parts of an adapter, and which of their columns belong to these, `[columns]`."""
    weights = dict(model.named_parameters())
    found: dict[str, Tensor] = {}
    for part in parts:
        kind, _, stream = part.partition(".")
        if kind == "fusion" and stream:
            own = [(f"fusion.{name}", columns) for name, columns in model.fusion.weights_of(stream)]
        elif kind == "lora":
            own = [(name, slice(None)) for name in weights if _LORA in name]
        else:
            own = [(name, slice(None)) for name in weights if name.startswith(f"{part}.")]
        for name, columns in own:
            found.setdefault(name, torch.zeros(weights[name].shape[-1:], dtype=torch.bool))[columns] = True
    return found
