"""Shared fixtures: the real data folder, where it is present."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of public data sets that some tests read in place (`RUXI_DATA`, or beside the checkout)."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RUXI_DATA", default))
    if not (folder / "README.md").is_file():
        pytest.skip(f"the real data sets are not in {folder} (set RUXI_DATA)")
    return folder
