"""The tutorial notebook is run as a reader would run it: it trains, and it says itself whether that has helped."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorial" / "weather.ipynb"


@pytest.mark.slow
@pytest.mark.weights
def test_the_weather_is_learnt_measured_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Photographs are not at hand everywhere; the drawn skies are.
    monkeypatch.delenv("RUXI_WEATHER", raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    # Skies, curves, confusion matrices, attention.
    assert len(pictures) == 4
    said = "".join(output.get("text", "") for output in outputs)
    assert "untrained  accuracy" in said
    assert "trained    accuracy of replies" in said
    assert "rain     Mira: " in said
