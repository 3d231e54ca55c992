"""A training run from recipe to adapter, with everything that is needed to repeat and to judge it.

The run folder holds the recipe as it was read, seed, data digests, versions and command (`run.json`), the Trainer's
checkpoints, TensorBoard's events, `metrics.jsonl` with every evaluation, the curves as a picture, a summary table, and
the best adapter in `adapter/`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from torch.utils.tensorboard import SummaryWriter
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback, TrainingArguments, set_seed
from transformers.integrations import TensorBoardCallback
from transformers.trainer_utils import get_last_checkpoint

from ruxi import files
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import DataError, ModelError
from ruxi.model import RolePlayForCausalLM
from ruxi.model.adapter import read_adapter_weights
from ruxi.model.base import base_tokenizer
from ruxi.prompt import ChatFormat, PromptBuilder
from ruxi.training import processes
from ruxi.training.batch import Batch
from ruxi.training.building import build_model, build_objectives, pad_token, precision_of
from ruxi.training.example_builder import ExampleBuilder, selected
from ruxi.training.examples import Example
from ruxi.training.learner import Learner
from ruxi.training.media import Missing, Progress, TrainingMedia
from ruxi.training.packing import Collator, Row, epoch_order, pack
from ruxi.training.recipe import Recipe, rises
from ruxi.training.reference import with_references
from ruxi.training.reporting import ExampleReplies, write_curves, write_summary
from ruxi.training.trainer import RolePlayTrainer

_VERSIONS = ("ruxi", "torch", "transformers", "peft", "tokenizers", "numpy")


@dataclass
class Prepared:
    """Everything a run needs in memory.

    Attributes:
        model: The model to be trained.
        train: Training examples of all sources, numbered through.
        counts: How many of them belong to each source.
        held_out: Validation examples, source by source.
        media: Their features.
        missing: Media without features.
        held_out_counts: How many of the validation examples belong to each source.
    """

    model: RolePlayForCausalLM
    train: list[Example]
    counts: list[int]
    held_out: list[Example]
    media: TrainingMedia
    missing: list[Missing] = field(default_factory=list)
    held_out_counts: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """What a run ended with.

    Attributes:
        folder: The run folder.
        adapter: The best adapter.
        metrics: Measures of the best adapter on the held-out examples.
        steps: Optimiser steps taken.
        stopped_early: Whether patience ran out.
    """

    folder: Path
    adapter: Path
    metrics: dict[str, float]
    steps: int
    stopped_early: bool


def prepare(recipe: Recipe, *, progress: Progress = lambda items, total: items) -> Prepared:
    """Load model and data, and extract what is not in the cache.

    Raises:
        DataError: A data set is missing, or nothing can be learnt from it.
    """
    sets = [DialogueSet.open(source.path) for source in recipe.data]
    _require_training_splits(recipe, sets)
    model = build_model(recipe)
    prompts = prompts_of(model, recipe.sequence.length)
    media = TrainingMedia(sets, {name: m.extractor for name, m in model.config.modality_settings.items()})
    wanted = media.wanted(
        dialogue
        for data, source in zip(sets, recipe.data, strict=True)
        for split in ("train", "validation")
        for dialogue in selected(data, source, split)
    )
    with processes.join().main_process_first():
        missing = media.extract(wanted, progress)
    guidance = model.config.guidance_settings
    builder = ExampleBuilder(
        prompts,
        recipe.sequence,
        emotions=guidance.emotions if guidance else (),
        intents=guidance.intents if guidance else (),
        lookup=media.of,
        choice=recipe.choice,
        write_speech=recipe.objectives.speech_kl > 0,
    )
    train: list[Example] = []
    counts, held_out = [], []
    for data, source in zip(sets, recipe.data, strict=True):
        mine = list(builder.of_set(data, source, "train"))
        if not mine and source.weight:
            limit = "choice.context_tokens" if source.choices else "sequence.length"
            raise DataError(
                "nothing to learn: no dialogue of split 'train' fits",
                where=str(source.path),
                remedy=f"Run `ruxi data split`, or raise {limit}.",
            )
        train += mine
        counts.append(len(mine))
        held_out.append(list(builder.of_set(data, source, "validation")))
    share = limited(held_out, recipe.run.evaluation_limit)
    held = [e for examples in share for e in examples]
    if recipe.objectives.preference:
        train, held = (with_references(model, some, media.of, recipe, progress=progress) for some in (train, held))
    return Prepared(model, train, counts, held, media, missing, [len(examples) for examples in share])


def _require_training_splits(recipe: Recipe, sets: Sequence[DialogueSet]) -> None:
    """Name every set that nothing can be learnt from, before the long work of reading them all."""
    learnt = (data for data, source in zip(sets, recipe.data, strict=True) if source.weight)
    undivided = dict.fromkeys(str(data.path) for data in learnt if not data.totals()[2].get("train"))
    if undivided:
        raise DataError(
            "nothing to learn: no dialogue is of split 'train'",
            where=", ".join(undivided),
            remedy="Run `ruxi data split`, or give it `weight: 0` in the recipe.",
        )


def limited(held_out: Sequence[list[Example]], limit: int) -> list[list[Example]]:
    """The first examples of each source, in proportion, so that there are `limit` in all or a few more."""
    everything = max(1, sum(map(len, held_out)))
    return [examples[: max(1, limit * len(examples) // everything)] for examples in held_out]


def prompts_of(model: RolePlayForCausalLM, context_length: int) -> PromptBuilder:
    """The prompt builder of a model."""
    chat_format = ChatFormat.model_validate(model.config.chat_format)
    return PromptBuilder(base_tokenizer(model.config.base_model), chat_format, context_length=context_length)


def train(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    prepared: Prepared | None = None,
    progress: Progress = lambda items, total: items,
    on_evaluation: Callable[[dict[str, float]], None] = lambda metrics: None,
    callbacks: Sequence[TrainerCallback] = (),
    quiet: bool = False,
) -> Result:
    """Train by a recipe.

    Args:
        recipe: What to do.
        folder: The run folder.
        resume: Go on from the newest checkpoint in it.
        prepared: Model and data, if they are in memory already.
        progress: Shows how far the extraction of features is.
        on_evaluation: Called with the measures of each evaluation, for example to give up on a search's trial.
        callbacks: Further callbacks of the Trainer.
        quiet: No progress bar.

    Raises:
        DataError: The folder holds another run, or data are missing.
    """
    state = processes.join()
    set_seed(recipe.run.seed)
    checkpoint = _checkpoint(folder, resume)
    prepared = prepared or prepare(recipe, progress=progress)
    learner = Learner(
        prepared.model,
        build_objectives(recipe, prepared),
        freeze=recipe.model.freeze,
        precision=precision_of(recipe),
    )
    streams = prepared.model.config.streams
    collate = Collator(
        prepared.train,
        prepared.media.of,
        streams=streams,
        pad=pad_token(prepared.model),
        modality_dropout=recipe.sequence.modality_dropout,
        seed=recipe.run.seed,
    )
    rows, steps = planned_rows(recipe, prepared)
    if state.is_main_process:
        _write_facts(folder, recipe, prepared, steps)
    trainer = RolePlayTrainer(
        learner,
        _arguments(recipe, folder, steps, evaluates=bool(prepared.held_out), quiet=quiet or not state.is_main_process),
        [{"row": row, "number": number} for number, row in enumerate(rows)],
        collate,
        held_out=held_out_batches(recipe, prepared),
        optimiser=recipe.optimiser,
        on_evaluation=_recorder(folder, on_evaluation) if state.is_main_process else on_evaluation,
        callbacks=[*_callbacks(recipe, prepared, folder), *callbacks],
    )
    # Its lines would stand on standard output, which belongs to the result.
    trainer.remove_callback(PrinterCallback)
    # The same weights everywhere, but not the same dropout.
    torch.manual_seed(recipe.run.seed + state.process_index)
    share = recipe.run.interpolate
    start = {name: weight.clone() for name, weight in prepared.model.adapter_weights().items()} if share < 1 else {}
    trainer.train(resume_from_checkpoint=checkpoint)
    if start:
        trainer.interpolate(start, share)
    metrics = trainer.evaluate() if prepared.held_out else {}
    adapter = folder / "adapter"
    trainer.save_adapter(adapter, dtype=torch.float16)
    if state.is_main_process:
        write_curves(folder)
        write_summary(folder, recipe, metrics)
    stopped = trainer.state.global_step < steps
    return Result(folder, adapter, metrics, trainer.state.global_step, stopped)


def planned_rows(recipe: Recipe, prepared: Prepared) -> tuple[list[Row], int]:
    """All rows of the run in order, and the number of optimiser steps that they make."""
    lengths = [len(example) for example in prepared.train]
    weights = [source.weight for source in recipe.data]
    per_step = recipe.sequence.rows * recipe.optimiser.accumulation * processes.join().num_processes
    rows: list[Row] = []
    wanted = recipe.run.steps * per_step if recipe.run.steps else None
    epochs = 10_000 if wanted else math.ceil(recipe.run.epochs)
    for epoch in range(epochs):
        order = epoch_order(prepared.counts, weights, epoch, recipe.run.seed)
        packed = pack(lengths, order, recipe.sequence.length)
        if not wanted and epoch == epochs - 1:
            packed = packed[: math.ceil(len(packed) * (recipe.run.epochs - epoch))]
        rows += packed
        if wanted and len(rows) >= wanted:
            rows = rows[:wanted]
            break
    return rows, max(1, len(rows) // per_step)


def held_out_batches(recipe: Recipe, prepared: Prepared) -> list[Batch]:
    """The held-out examples, packed, with all their media."""
    collate = Collator(
        prepared.held_out, prepared.media.of, streams=prepared.model.config.streams, pad=pad_token(prepared.model)
    )
    rows = pack([len(e) for e in prepared.held_out], range(len(prepared.held_out)), recipe.sequence.length)
    return [collate.collate([row]) for row in rows]


def _arguments(recipe: Recipe, folder: Path, steps: int, *, evaluates: bool, quiet: bool) -> TrainingArguments:
    run, optimiser = recipe.run, recipe.optimiser
    when: Literal["steps", "no"] = "steps" if evaluates else "no"
    metric = f"eval_{run.measure}"
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=recipe.sequence.rows,
        gradient_accumulation_steps=optimiser.accumulation,
        max_steps=steps,
        learning_rate=optimiser.learning_rate,
        lr_scheduler_type=optimiser.schedule,
        warmup_steps=math.ceil(optimiser.warmup * steps),
        weight_decay=optimiser.weight_decay,
        max_grad_norm=optimiser.clip,
        logging_steps=run.log_every,
        logging_first_step=True,
        eval_strategy=when,
        eval_steps=run.evaluate_every,
        save_strategy="steps",
        save_steps=run.evaluate_every,
        save_total_limit=2,
        load_best_model_at_end=evaluates,
        metric_for_best_model=metric,
        greater_is_better=rises(metric),
        seed=run.seed,
        data_seed=run.seed,
        report_to=[],
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=False,
        average_tokens_across_devices=True,
        ddp_find_unused_parameters=True,
        use_cpu=not torch.cuda.is_available(),
        disable_tqdm=quiet,
    )


def _callbacks(recipe: Recipe, prepared: Prepared, folder: Path) -> list[Any]:
    callbacks: list[Any] = []
    if processes.join().is_main_process:
        events = SummaryWriter(str(folder / "tensorboard"))
        callbacks = [TensorBoardCallback(events), ExampleReplies(prepared.model, prepared.held_out, recipe, events)]
    if recipe.run.patience is not None and prepared.held_out:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=recipe.run.patience))
    return callbacks


def _checkpoint(folder: Path, resume: bool) -> str | None:
    newest = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    if newest is not None and not resume:
        raise DataError(
            "holds a run already", where=str(folder), remedy="Add --resume to go on, or name another --out folder."
        )
    if newest is not None:
        # A checkpoint is complete once its state is there, which is written last.
        try:
            read_adapter_weights(Path(newest))
        except ModelError as error:
            raise DataError(f"its newest checkpoint is damaged ({error})", where=str(folder)) from error
    return newest


def _recorder(folder: Path, then: Callable[[dict[str, float]], None]) -> Callable[[dict[str, float]], None]:
    def record(metrics: dict[str, float]) -> None:
        files.append_line(folder / "metrics.jsonl", json.dumps(metrics))
        then(metrics)

    return record


def _write_facts(folder: Path, recipe: Recipe, prepared: Prepared, steps: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "command": " ".join(sys.argv),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seed": recipe.run.seed,
        "steps": steps,
        "processes": processes.join().num_processes,
        "versions": {name: metadata.version(name) for name in _VERSIONS},
        "base_digest": prepared.model.config.base_digest,
        "data": [
            {"path": str(s.path), "examples": n, "digest": _digest(s.path)}
            for s, n in zip(recipe.data, prepared.counts, strict=True)
        ],
        "held_out_examples": len(prepared.held_out),
        "media_without_features": [vars(m) for m in prepared.missing],
        "trained_parameters": sum(p.numel() for p in prepared.model.parameters() if p.requires_grad),
    }
    files.write_text(folder / "run.json", json.dumps(facts, indent=2))
    files.write_text(folder / "recipe.yaml", yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))


def _digest(path: Path) -> str:
    info = path / "dataset.json"
    return files.sha256_of(info) if info.is_file() else ""
