"""Which model, on what machine, by which versions: what stands beside every number."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from ruxi import __version__, files
from ruxi.runtime import Engine

_LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn", "onnxruntime")


def model_identity(name: str, engine: Engine) -> dict[str, Any]:
    """What identifies a model: its name, the digest of what was trained, its base, its precision.

    Args:
        name: What the user named.
        engine: The opened model.
    """
    identity: dict[str, Any] = {"name": name, "engine": type(engine).__name__}
    folder = Path(name)
    weights = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    if weights:
        identity["sha256"] = files.sha256_of_bytes("".join(files.sha256_of(path) for path in weights).encode())
    model = getattr(engine, "model", None)
    if model is not None:
        identity["base_model"] = str(getattr(model.config, "base_model", ""))
        identity["base_digest"] = getattr(model.config, "base_digest", None)
        identity["precision"] = str(model.dtype).removeprefix("torch.")
    return identity


def run_facts(command: list[str] | None = None) -> dict[str, Any]:
    """Command, versions and machine."""
    versions = {"ruxi": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "command": ["ruxi", *(sys.argv[1:] if command is None else command)],
        "versions": versions,
        "machine": {"system": platform.platform(), "processor": _processor(), "threads": _threads()},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _threads() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    available = len(affinity(0)) if affinity else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(available, int(asked)) if asked.isdigit() and int(asked) else available
