"""What the reference of preference learning makes of the pairs: computed once, before training, and kept on disk.

The reference is the model as it starts, or the base model with everything around it switched off. Its log-likelihoods
are kept by content, one line each, so that a run that goes on, or a second one on the same pairs, computes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from ruxi import files, weights
from ruxi.features import FeatureSequence
from ruxi.model import RolePlayForCausalLM
from ruxi.training.batch import Batch
from ruxi.training.building import pad_token, precision_of
from ruxi.training.examples import Example, Medium
from ruxi.training.media import Progress
from ruxi.training.objectives import Pass
from ruxi.training.objectives.base import without_dropout
from ruxi.training.objectives.preference import pair_likelihoods
from ruxi.training.packing import Collator, pack
from ruxi.training.recipe import Recipe


def with_references(
    model: RolePlayForCausalLM,
    examples: Sequence[Example],
    features: Callable[[Medium], FeatureSequence | None],
    recipe: Recipe,
    *,
    cache: Path | None = None,
    progress: Progress = lambda rows, total: rows,
) -> list[Example]:
    """The examples, each pair with its log-likelihoods under the reference.

    Args:
        model: The model as it starts.
        examples: Pairs and others.
        features: Features of a medium.
        recipe: Says which reference.
        cache: Folder that keeps the numbers.
        progress: Shows how far it is.
    """
    pairs = [number for number, example in enumerate(examples) if example.rejected is not None]
    if not pairs:
        return list(examples)
    path = (cache or weights.home() / "references") / f"{_identity(model, recipe)}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = {number: _key(examples[number]) for number in pairs}
    # Processes of one run wait for the first one and find everything done.
    with FileLock(path.with_suffix(".lock")):
        known = _read(path)
        missing = [number for number in pairs if keys[number] not in known]
        packed = pack([len(examples[n]) for n in missing], range(len(missing)), recipe.sequence.length)
        rows = [tuple(missing[place] for place in row) for row in packed]
        collator = Collator(examples, features, streams=model.config.streams, pad=pad_token(model))
        if rows and torch.cuda.is_available():
            model.to("cuda")
        for row in progress(rows, len(rows)):
            found = _likelihoods(model, collator.collate([row]), recipe).tolist()
            for number, both in zip(row, found, strict=True):
                known[keys[number]] = both
                files.append_line(path, json.dumps({"pair": keys[number], "nats": both}))
    completed = list(examples)
    for number in pairs:
        rejected = examples[number].rejected
        assert rejected is not None  # noqa: S101 - these were chosen by it
        better, worse = known[keys[number]]
        completed[number] = replace(examples[number], rejected=replace(rejected, reference=(better, worse)))
    return completed


@torch.no_grad()
def _likelihoods(model: RolePlayForCausalLM, batch: Batch, recipe: Recipe) -> Tensor:
    device = next(model.parameters()).device
    batch = batch.to(device)
    precision = precision_of(recipe)
    with without_dropout(model), torch.autocast(device.type, precision, enabled=precision != torch.float32):
        if recipe.preference.reference == "start":
            return pair_likelihoods(Pass(model, batch))
        with base_alone(model):
            # Without media and without replies to guide nothing is fused into the text.
            return pair_likelihoods(Pass(model, replace(batch, media={}, replies=batch.replies[:0])))


@contextmanager
def base_alone(model: RolePlayForCausalLM) -> Iterator[None]:
    """Switch the language model's adapter off for a while."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(trained[name])


def _identity(model: RolePlayForCausalLM, recipe: Recipe) -> str:
    """What the reference is: all that its answers depend on beside the pair."""
    facts: list[object] = [model.config.base_digest, recipe.preference.reference, str(precision_of(recipe))]
    if recipe.preference.reference == "start":
        digest = hashlib.sha256()
        for name, tensor in sorted(model.adapter_weights().items()):
            digest.update(name.encode() + tensor.detach().float().cpu().numpy().tobytes())
        facts += [digest.hexdigest(), model.config.fusion, model.config.lora]
    return files.sha256_of_bytes(json.dumps(facts, sort_keys=True).encode())[:32]


def _key(example: Example) -> str:
    """Digest of everything in a pair that the reference sees."""
    digest = hashlib.sha256()
    sides = [example, *([example.rejected.example] if example.rejected is not None else [])]
    for side in sides:
        for array in (side.input_ids, side.turn_ids, side.targets):
            digest.update(array.tobytes())
        shown = [(medium.kind, medium.media, medium.turn) for medium in side.media]
        spoken = [(turn.turn, turn.emotion, turn.intent, turn.is_reply) for turn in side.turns]
        digest.update(json.dumps([shown, spoken]).encode())
    return digest.hexdigest()[:32]


def _read(path: Path) -> dict[str, tuple[float, float]]:
    """What is kept; lines that hold something else are passed over."""
    known = {}
    for line in files.whole_lines(path):
        try:
            found = json.loads(line)
            better, worse = found["nats"]
            known[str(found["pair"])] = (float(better), float(worse))
        except (ValueError, KeyError, TypeError):
            continue
    return known
