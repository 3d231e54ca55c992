"""Distillation from a local teacher: its distribution over the next token, on the character's words.

The teacher reads the same tokens, and of the media those whose streams it has (Hinton et al., 2015). It is frozen, and
no part of what is saved.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from ruxi.model import RolePlayForCausalLM
from ruxi.training.objectives.base import Loss, Pass
from ruxi.training.objectives.divergence import divergences
from ruxi.training.objectives.reply import labelled_positions


class Distillation:
    """KL(teacher ‖ model) in nats.

    Args:
        teacher: The teacher.
        temperature: Softens both distributions.
    """

    name = "distillation"
    further: tuple[str, ...] = ()

    def __init__(self, teacher: RolePlayForCausalLM, temperature: float = 1.0) -> None:
        self.teacher = teacher.eval().requires_grad_(False)
        self.temperature = temperature

    def __call__(self, run: Pass) -> Loss | None:
        """Sum over the labelled tokens."""
        states, targets = labelled_positions(run.hidden, run.batch.labels)
        if not len(targets):
            return None
        streams = self.teacher.config.streams
        self.teacher.to(run.batch.input_ids.device)
        with torch.no_grad():
            known = {name: inputs for name, inputs in run.batch.media.items() if name in streams}
            hidden = Pass(self.teacher, replace(run.batch, media=known)).hidden
            wanted, _ = labelled_positions(hidden, run.batch.labels)
        found = divergences(
            run, states, lambda span: self.teacher.logits(wanted[span]).detach(), temperature=self.temperature
        )
        return Loss(found.sum(), len(found))
