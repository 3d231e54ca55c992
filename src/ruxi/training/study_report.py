"""What a person looks at after a search: trials in a table, the importance of each field, plots."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruxi import files
from ruxi.evaluation.tables import table

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

PLOTS = ("optimization_history", "param_importances", "intermediate_values", "slice", "parallel_coordinate")
"""Plots of `optuna.visualization.matplotlib`, each a PNG of its name."""


def write_report(study: Study, folder: Path, *, name: str, metric: str) -> dict[str, dict[str, float]]:
    """Write `summary.md`, `search.json` and the plots.

    Args:
        study: The study.
        folder: Where to.
        name: Of the recipe.
        metric: What was optimised.

    Returns:
        Importance of each field, by evaluator; empty while the trials do not tell.
    """
    importance = importances(study)
    trials = [trial for trial in study.trials if "steps" in trial.user_attrs]
    best_last = {"MINIMIZE": 1, "MAXIMIZE": -1}[study.direction.name]
    trials.sort(key=lambda t: (t.state.name != "COMPLETE", t.value is None, best_last * (t.value or 0.0)))
    content = {
        "metric": metric,
        "direction": study.direction.name.lower(),
        "importance": importance,
        "trials": [_facts(trial) for trial in trials],
    }
    files.write_text(folder / "search.json", json.dumps(content, indent=2))
    files.write_text(folder / "summary.md", _summary(name, metric, trials, importance))
    _draw(study, folder)
    return importance


def importances(study: Study) -> dict[str, dict[str, float]]:
    """Share of the variance that each field explains: by fANOVA over all trials, by PED-ANOVA among the best."""
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    found = {}
    seed = 0
    for label, evaluator in (
        ("fANOVA", lambda: FanovaImportanceEvaluator(seed=seed)),
        ("PED-ANOVA", PedAnovaImportanceEvaluator),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("error", message="Target and region quantiles", category=UserWarning)
            try:
                found[label] = optuna.importance.get_param_importances(study, evaluator=evaluator())
            except (ValueError, RuntimeError, UserWarning):
                # Too few trials to tell the best from the rest, or all of them ended alike.
                continue
    return found


def _facts(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "folder": trial.user_attrs["folder"],
        "state": trial.state.name.lower(),
        "value": trial.value,
        "steps": trial.user_attrs["steps"],
        "values": trial.params,
        "evaluations": {str(step): value for step, value in trial.intermediate_values.items()},
    }


def _summary(name: str, metric: str, trials: list[FrozenTrial], importance: dict[str, dict[str, float]]) -> str:
    fields = list(trials[0].params) if trials else []
    heading = ["trial", metric.replace("_", " "), "ended", "steps", *fields]
    rows = []
    for trial in trials:
        measured = "" if trial.value is None else f"{trial.value:.4f}"
        values = [_shown(trial.params.get(field)) for field in fields]
        steps = str(trial.user_attrs["steps"])
        rows.append([trial.user_attrs["folder"], measured, trial.state.name.lower(), steps, *values])
    told = "The trials do not tell: too few, or all ended alike.\n"
    if importance:
        known = [[f, *(f"{by.get(f, 0.0):.2f}" for by in importance.values())] for f in next(iter(importance.values()))]
        told = table(["field", *importance], known)
    return f"# {name}: {len(trials)} trials\n\n{table(heading, rows)}\n## Importance\n\n{told}"


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _draw(study: Study, folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as plots

    for name in PLOTS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                drawn = getattr(plots, f"plot_{name}")(study)
            except (ValueError, RuntimeError):
                # Importance needs trials that differ.
                pyplot.close("all")
                continue
        figure = np.ravel(drawn)[0].figure
        if name != "slice":
            figure.set_size_inches(9, 5)
        with files.writing(folder / f"{name}.png") as file:
            figure.savefig(file, format="png", dpi=110, bbox_inches="tight")
        pyplot.close(figure)
