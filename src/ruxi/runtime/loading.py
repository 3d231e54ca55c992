"""Opening an engine by name."""

from __future__ import annotations

from ruxi import plugins
from ruxi.runtime.protocol import Engine

DEFAULT_MODEL = "ruxi-mini"


def load(
    name: str = DEFAULT_MODEL, *, engine: str = "torch", dtype: str = "auto", threads: int | None = None
) -> Engine:
    """Open a model for role-play."""
    opened: Engine = plugins.load("engines", engine)(name, dtype=dtype, threads=threads)
    return opened
