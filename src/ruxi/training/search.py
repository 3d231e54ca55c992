"""Search over hyper-parameters: Optuna proposes, runs are measured by the recipe's metric, hopeless ones are pruned.

Every trial is a run of its own in `trial-NNNN/`. The study lives in `study.db` (SQLite) beside them. A trial that was
killed goes on from its newest checkpoint when the search is resumed. Data and features are prepared once, unless the
search varies what they depend on.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ruxi import files
from ruxi.errors import DataError, UsageError
from ruxi.training import processes, run
from ruxi.training.building import build_model
from ruxi.training.media import Progress
from ruxi.training.recipe import Recipe, RecipeError, check_recipe, rises, set_field
from ruxi.training.space import Space, default_space
from ruxi.training.study_report import write_report

if TYPE_CHECKING:
    from optuna import Study, Trial

_PREPARED_BY = (
    "data",
    "sequence.length",
    "sequence.persona_tokens",
    "model.base",
    "model.modalities",
    "model.guidance",
)
"""Fields that examples and features depend on."""

STARTUP_TRIALS = 5
"""Trials drawn at random, and left to end, before the sampler and the pruner have anything to go by."""


@dataclass(frozen=True)
class Search:
    """What a search ended with.

    Attributes:
        folder: Where the runs, the study and the report are.
        recipe: The best recipe as a file that `ruxi train` takes.
        value: Its metric.
        values: Its values of the fields that were varied.
        importance: Share of the metric's variance that each field explains, by evaluator.
        trials: Trials by how they ended: `complete`, `pruned`, `fail`.
    """

    folder: Path
    recipe: Path
    value: float
    values: dict[str, Any]
    importance: dict[str, dict[str, float]]
    trials: dict[str, int]


def search(
    recipe: Recipe,
    folder: Path,
    trials: int,
    *,
    space: Space | None = None,
    resume: bool = False,
    progress: Progress = lambda items, total: items,
    on_trial: Callable[[str], None] = lambda line: None,
    quiet: bool = False,
) -> Search:
    """Look for better values of a recipe's fields.

    Args:
        recipe: What to start from; its `search` section says what to vary.
        folder: Where to.
        trials: Runs in all, those of a resumed search included.
        space: What to vary instead.
        resume: Go on with a search that was stopped.
        progress: Shows how far the extraction of features is.
        on_trial: Called with a line about each trial that ended.
        quiet: No progress bars.

    Raises:
        UsageError: Optuna is missing, the space does not fit the recipe, or several processes were started.
        DataError: The folder holds another search, or no trial gave a number.
    """
    if processes.join().num_processes > 1:
        raise UsageError("runs in one process", where="--search", remedy="Start it without torchrun or accelerate.")
    optuna = _optuna()
    space = space or recipe.search or default_space(recipe)
    check_space(recipe, space)
    study = _open(optuna, recipe, space, folder, resume)
    _put_back_interrupted(study)
    prepared = None if _changes_data(recipe, space) else run.prepare(recipe, progress=progress)
    while _ended(study) < trials:
        trial = study.ask()
        values = {field: ranges.suggest(trial, field) for field, ranges in space.items()}
        changed = with_values(recipe, values, name=f"{recipe.name}-{trial.number}")
        home = folder / trial.user_attrs.get("folder", f"trial-{trial.number:04d}")
        trial.set_user_attr("folder", home.name)
        if prepared is not None:
            prepared = replace(prepared, model=build_model(changed))
        options: dict[str, Any] = {"resume": True, "prepared": prepared, "progress": progress, "quiet": quiet}
        _run_trial(optuna, study, trial, changed, home, options)
        on_trial(_line(study, trial.number))
        # Adapters and measures stay; what a run goes on from is of no use any more.
        for checkpoint in home.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
    return _finish(recipe, study, folder)


def with_values(recipe: Recipe, values: Mapping[str, Any], *, name: str) -> Recipe:
    """The recipe with other values and another name.

    A rank without an alpha of its own keeps the recipe's scale `alpha / rank`.

    Raises:
        RecipeError: A value does not fit.
    """
    content = recipe.model_dump(mode="json", exclude={"search"})
    content["name"] = name
    lora = recipe.model.lora or {}
    if "model.lora.rank" in values and "model.lora.alpha" not in values:
        from ruxi.model.config import LoraSettings

        settings = LoraSettings(**lora)
        values = {**values, "model.lora.alpha": settings.alpha / settings.rank * values["model.lora.rank"]}
    for field, value in values.items():
        set_field(content, field, value, where="search")
    return check_recipe(content, where="search")


def check_space(recipe: Recipe, space: Space) -> None:
    """Try both ends of every range.

    Raises:
        UsageError: Fields that the recipe does not have, or values that it does not take; all are listed.
    """
    faults = []
    for field, ranges in space.items():
        for value in dict.fromkeys(ranges.ends):
            try:
                with_values(recipe, {field: value}, name=recipe.name)
            except RecipeError as error:
                faults.append(f"{field} = {value!r}: {error}".replace("\n  - ", " "))
                break
    weights = [field for field in space if field.startswith("objectives.")]
    if weights and recipe.run.measure == "loss":
        faults.append(
            f"{', '.join(weights)}: the metric `loss` is weighted by them; set run.metric to one of "
            f"{', '.join(name for name in recipe.measures() if name != 'loss')}"
        )
    if faults:
        raise UsageError(f"{len(faults)} fault(s):" + "".join(f"\n  - {fault}" for fault in faults), where="search")


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            "needs Optuna", where="--search", remedy="Install it with `pip install 'ruxi[search]'`."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _open(optuna: Any, recipe: Recipe, space: Space, folder: Path, resume: bool) -> Study:
    path = folder / "study.db"
    if path.is_file() and not resume:
        raise DataError(
            "holds a search already", where=str(folder), remedy="Add --resume to go on, or name another --out folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    metric = recipe.run.measure
    storage = f"sqlite:///{path.resolve()}"
    study: Study = optuna.create_study(
        storage=storage,
        study_name="search",
        direction="maximize" if rises(metric) else "minimize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
        load_if_exists=resume,
    )
    # The sampler's own state is not kept: without the number of trials a resumed search would draw the same again.
    seed = recipe.run.seed + 1000 * len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=True)
    facts = {
        "recipe": recipe.model_dump(mode="json", exclude={"search"}),
        "space": {field: ranges.model_dump(mode="json") for field, ranges in space.items()},
    }
    known = study.user_attrs
    if known and known != facts:
        raise DataError(
            "holds a search of another recipe or space",
            where=str(folder),
            remedy="Go on with the same recipe and space, or name another --out folder.",
        )
    for name, value in facts.items():
        study.set_user_attr(name, value)
    return study


def _put_back_interrupted(study: Study) -> None:
    """Trials that were running when the search was killed are run again, in their folder."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, user_attrs={"folder": trial.user_attrs.get("folder", "trial-restarted")})


def _ended(study: Study) -> int:
    """Trials that ran to an end of their own; interrupted ones share their folder with the one that goes on."""
    from optuna.trial import TrialState

    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return len([trial for trial in ended if "steps" in trial.user_attrs])


def _run_trial(optuna: Any, study: Study, trial: Trial, recipe: Recipe, home: Path, options: Mapping[str, Any]) -> None:
    metric = f"eval_{recipe.run.measure}"
    last = -1

    def report(metrics: dict[str, float]) -> None:
        nonlocal last
        step = int(metrics["step"])
        # The last evaluation is of the best adapter and says nothing new about its step.
        if step > last and math.isfinite(metrics[metric]):
            last = step
            trial.report(metrics[metric], step)
            if trial.should_prune():
                raise optuna.TrialPruned

    try:
        result = run.train(recipe, home, on_evaluation=report, **options)
    except optuna.TrialPruned:
        trial.set_user_attr("steps", last)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return
    value = result.metrics.get(metric, math.nan)
    trial.set_user_attr("steps", result.steps)
    if math.isfinite(value):
        study.tell(trial, value)
    else:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)


def _line(study: Study, number: int) -> str:
    trial = study.trials[number]
    values = ", ".join(f"{name} {_short(value)}" for name, value in trial.params.items())
    measured = "no number" if trial.value is None else f"{trial.value:.4f}"
    return f"trial {number}: {trial.state.name.lower()}, {measured} ({values})"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _changes_data(recipe: Recipe, space: Space) -> bool:
    references = bool(recipe.objectives.preference) and any(field.startswith("model.") for field in space)
    return references or any(field == name or field.startswith(f"{name}.") for field in space for name in _PREPARED_BY)


def _finish(recipe: Recipe, study: Study, folder: Path) -> Search:
    try:
        best = study.best_trial
    except ValueError as error:
        raise DataError(
            "no trial gave a number", where=str(folder), remedy="Search lower learning rates, or more trials."
        ) from error
    metric = recipe.run.measure
    chosen = with_values(recipe, best.params, name=f"{recipe.name}-best")
    path = folder / "best.yaml"
    heading = (
        f"# The best of {_ended(study)} trials ({best.user_attrs['folder']}): "
        f"{metric.replace('_', ' ')} {best.value:.4f}.\n"
        f"#   ruxi train {path}\n"
    )
    content = chosen.model_dump(mode="json", exclude={"search"})
    files.write_text(path, heading + yaml.safe_dump(content, sort_keys=False))
    importance = write_report(study, folder, name=recipe.name, metric=metric)
    states: dict[str, int] = {}
    for trial in study.trials:
        if "steps" in trial.user_attrs:
            states[trial.state.name.lower()] = states.get(trial.state.name.lower(), 0) + 1
    return Search(folder, path, float(best.value or 0.0), best.params, importance, states)
