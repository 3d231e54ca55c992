"""The result folder for people: Markdown table, plots, and an HTML page with every item."""

from __future__ import annotations

from pathlib import Path

from ruxi import files
from ruxi.evaluation import tables
from ruxi.evaluation.results import Results


def write_report(folder: Path, results: Results) -> None:
    """Write `results.md` beside `results.json`."""
    results.save(folder)
    files.write_text(folder / "results.md", tables.report(results))
