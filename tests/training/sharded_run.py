"""Trains a tiny model whose weights FSDP spreads over the processes, and the same model whole; started by the test.

    torchrun --nproc-per-node 2 -m tests.training.sharded_run BASE OUT

Accelerate sets FSDP up on GPUs alone, so here the layers are sharded as it would, and the steps are our own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard

from ruxi.model.adapter import read_adapter_weights
from ruxi.model.base import decoder_layers
from ruxi.training import processes
from ruxi.training.building import build_model, build_objectives
from ruxi.training.learner import Learner
from ruxi.training.packing import Collator
from ruxi.training.recipe import check_recipe
from ruxi.training.run import Prepared
from ruxi.training.trainer import sharded_as, whole_weights
from tests.training.parallel_run import ROWS, example, features, recipe

STEPS = 3


def main() -> None:
    base, out = sys.argv[1], Path(sys.argv[2])
    state = processes.join()
    checked = check_recipe(recipe(base, 1))
    examples = [example(n) for n in range(ROWS)]

    mesh = dist.device_mesh.init_device_mesh("cpu", (state.num_processes,))

    def learner(*freeze: str) -> Learner:
        model = build_model(checked)
        for block in model.fusion.blocks.values():
            torch.nn.init.constant_(block.gate, 0.5)
        prepared = Prepared(model, examples, [ROWS], [], None)  # type: ignore[arg-type]
        return Learner(model, build_objectives(checked, prepared), freeze=freeze).train()

    def shard(model: Learner) -> Learner:
        for layer in decoder_layers(model.model.language_model):
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        return model

    whole, sharded = learner(), shard(learner())
    collate = Collator(examples, features, streams=("image",), pad=0)

    def loss(model: Learner, row: int) -> torch.Tensor:
        batch = collate.collate([(row,)])
        return sum(found.total / max(found.count, 1) for found in model(batch, batch.labels).values())

    optimizers = [
        torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1) for model in (whole, sharded)
    ]
    losses = []
    for step in range(STEPS):
        rows = [step * state.num_processes + process for process in range(state.num_processes)]
        alone = sum(loss(whole, row) for row in rows) / len(rows)
        alone.backward()
        mine = loss(sharded, rows[state.process_index])
        mine.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        shared = mine.detach().clone()
        dist.all_reduce(shared, op=dist.ReduceOp.SUM)
        losses.append((float(alone.detach()), float(shared) / state.num_processes))
    weights = whole_weights(sharded.model.adapter_weights())
    if state.is_main_process:
        whole.model.save_pretrained(out / "whole")
        sharded.model.save_pretrained(out / "sharded", weights=weights)
        (out / "losses.json").write_text(json.dumps(losses))
    frozen = shard(learner("fusion.text"))
    loss(frozen, state.process_index).backward()
    frozen.erase_frozen_gradients()
    for name, columns in frozen.model.fusion.weights_of("text"):
        gradient = frozen.model.fusion.get_parameter(name).grad
        assert (gradient is not None) == ("mix" in name)
        if gradient is not None:
            found = gradient.full_tensor()
            assert found.any()
            assert not found[:, columns].any()
    dist.barrier()
    # A checkpoint of whole weights goes back into sharded ones.
    again = {name: tensor * 0 + 1 for name, tensor in read_adapter_weights(out / "sharded").items()}
    sharded.model.load_adapter_weights(sharded_as(sharded.model.adapter_weights(), again))
    assert all(bool((t == 1).all()) for t in whole_weights(sharded.model.adapter_weights()).values())


if __name__ == "__main__":
    main()
