"""Plots of an evaluation, as PNG files in its folder."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruxi import files
from ruxi.evaluation.results import Results, TaskResult, file_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MODEL = "#3b6ea5"
_FLOORS = ("#9aa0a6", "#c98b2b", "#7a5ca8", "#3f8f6b", "#b3402a")


def write_plots(folder: Path, results: Results) -> dict[str, list[str]]:
    """Draw every task.

    Args:
        folder: The result folder.
        results: What is drawn.

    Returns:
        Paths of the plots relative to the folder, by the task's label.
    """
    import matplotlib as mpl

    # A server has no display; the backend is chosen for these figures alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    drawn: dict[str, list[str]] = {}
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        for task in results.tasks:
            figures = {"metrics": _metrics(task), "confusion": _confusion(task), "turns": _by_turn(task)}
            for name, figure in figures.items():
                if figure is None:
                    continue
                FigureCanvasAgg(figure)
                buffer = io.BytesIO()
                # Without the date in it, the same numbers give the same file.
                figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
                path = f"plots/{file_name(task.label)}-{name}.png"
                files.write_bytes(folder / path, buffer.getvalue())
                drawn.setdefault(task.label, []).append(path)
    return drawn


def _metrics(task: TaskResult) -> Figure | None:
    """Values with their intervals, beside the floors; only metrics that lie between 0 and 1."""
    from matplotlib.figure import Figure

    shown = [
        metric
        for metric in task.metrics
        if metric.value is not None and metric.higher_is_better is not None and 0 <= metric.value <= 1
    ]
    if not shown:
        return None
    figure = Figure(figsize=(6.4, 0.5 + 0.38 * len(shown)))
    axes = figure.subplots()
    names = list(dict.fromkeys(name for metric in shown for name in metric.floors))
    for place, metric in enumerate(reversed(shown)):
        value = metric.value or 0.0
        axes.barh(place, value, height=0.55, color=_MODEL)
        if metric.low is not None and metric.high is not None:
            axes.plot([metric.low, metric.high], [place, place], color="black", linewidth=1)
        for name, floor in metric.floors.items():
            if 0 <= floor <= 1:
                # Floors that are equal stand side by side.
                share = 0.76 / len(names)
                low = place - 0.38 + share * names.index(name)
                colour = _FLOORS[names.index(name) % len(_FLOORS)]
                axes.plot([floor, floor], [low, low + share], color=colour, linewidth=3)
    axes.set_yticks(range(len(shown)), [metric.name for metric in reversed(shown)])
    axes.set_xlim(0, 1)
    for name, colour in zip(names, itertools.cycle(_FLOORS), strict=False):
        axes.plot([], [], color=colour, linewidth=3, label=name)
    if names:
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)
    return figure


def _confusion(task: TaskResult) -> Figure | None:
    from matplotlib.figure import Figure

    found: dict[str, Any] | None = task.details.get("confusion")
    if not found:
        return None
    labels, counts = found["labels"], found["counts"]
    shares = [[value / max(sum(row), 1) for value in row] for row in counts]
    figure = Figure(figsize=(1.5 + 0.5 * len(labels), 1.3 + 0.45 * len(labels)))
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    for y, row in enumerate(counts):
        for x, value in enumerate(row):
            axes.text(x, y, str(value), ha="center", va="center", color="white" if shares[y][x] > 0.5 else "black")
    return figure


def _by_turn(task: TaskResult) -> Figure | None:
    from matplotlib.figure import Figure

    points = task.details.get("by turn")
    if not points:
        return None
    figure = Figure(figsize=(6.4, 2.6))
    turns = [point["turn"] for point in points]
    for axes, name in zip(figure.subplots(1, 2), ("hits@1", "nats"), strict=True):
        axes.plot(turns, [point[name] for point in points], marker="o", markersize=3, color=_MODEL)
        axes.set_xlabel("turn")
        axes.set_title(name, fontsize=9)
    figure.tight_layout()
    return figure
