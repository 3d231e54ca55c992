"""What all tests share: the real data folder, where it is present, and signals that arrive."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# A shell's background jobs ignore Ctrl-C, and so would every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of public data sets that some tests read in place (`RUXI_DATA`, or beside the checkout)."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RUXI_DATA", default))
    if not (folder / "README.md").is_file():
        pytest.skip(f"the real data sets are not in {folder} (set RUXI_DATA)")
    return folder
