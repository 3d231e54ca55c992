"""Opening an engine by name; engines are plug-ins of the group `ruxi.engines`."""

from __future__ import annotations

import inspect
import json
import os
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from ruxi import plugins
from ruxi.errors import UsageError
from ruxi.runtime.protocol import Engine

DEFAULT_MODEL = "ruxi-mini"
Dtype = Literal["auto", "float32", "bfloat16", "float16"]


_ADAPTER = "ruxi"
"""`model_type` of an adapter; `RolePlayConfig` has it, too, and needs torch."""


def load(
    name: str = DEFAULT_MODEL,
    *,
    engine: str = "torch",
    dtype: Dtype = "auto",
    threads: int | None = None,
    **options: Any,
) -> Engine:
    """Open a model that can play a role.

    Args:
        name: `ruxi-mini`, the folder of an adapter that `ruxi train` made, the folder of a language model, or a
            Hugging Face id. A bare language model gets an untrained fusion and answers as it would without one.
            For the engine `onnx` the folder of a bundle. For a server its name of the model, or the server's URL.
        engine: Which engine speaks with it, by its entry point; or the URL of a server of the OpenAI API.
        dtype: Precision of the weights; `auto` is the fastest that this machine computes well.
        threads: Threads for the computation; None leaves the library's choice.
        options: What else the engine takes, for example `slots` of the engine `onnx`.

    Raises:
        UsageError: No engine or no model has that name, or a value is wrong.
        WeightsError: A pretrained part is missing.
        ModelError: The model cannot be loaded.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"{threads} threads cannot compute anything", where="threads", remedy="Give 1 or more.")
    # OpenMP threads that spin while they wait stall one another as soon as something else wants the processor:
    # measured here, beside other work, 1 token a second instead of 9. It is read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if is_url(name):
        name, engine = DEFAULT_MODEL, name
    if is_url(engine):
        options, engine = {**options, "url": engine}, "remote"
    open_engine = plugins.load("engines", engine)
    try:
        inspect.signature(open_engine).bind(name, dtype=dtype, threads=threads, **options)
    except TypeError as error:
        raise UsageError(str(error), where=f"engine {engine!r}", remedy="Leave that option out.") from error
    opened: Engine = open_engine(name, dtype=dtype, threads=threads, **options)
    return opened


def adapter_folder(name: str) -> Path | None:
    """The folder of the adapter that a name means, or None for a bare language model.

    Raises:
        UsageError: It is the folder of a whole training run.
    """
    if name == DEFAULT_MODEL:
        shipped = Path(str(resources.files("ruxi"))) / "model" / "adapters" / DEFAULT_MODEL
        return shipped if shipped.is_dir() else None
    folder = Path(name)
    if _holds_adapter(folder):
        return folder
    if _holds_adapter(folder / "adapter"):
        raise UsageError(
            "is the folder of a training run", where=name, remedy=f"Name its adapter: {folder / 'adapter'}."
        )
    return None


def _holds_adapter(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / "config.json").read_bytes()).get("model_type") == _ADAPTER)
    except (OSError, ValueError, AttributeError):
        return False


def is_url(name: str) -> bool:
    """Whether a name is the address of a server."""
    return name.lower().startswith(("http://", "https://"))
