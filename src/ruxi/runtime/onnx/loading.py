"""Opening bundles for the fast engine; a model that is not a bundle is exported once into the store.

The exporter is not imported here, because it needs torch and the engine does not: whoever has it passes it in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from ruxi import files, weights
from ruxi.errors import UsageError
from ruxi.runtime.loading import DEFAULT_MODEL, Dtype, adapter_folder
from ruxi.runtime.onnx.bundle import Bundle, Precision, is_bundle
from ruxi.runtime.onnx.engine import OnnxEngine
from ruxi.weights import catalogue

Export = Callable[[str, Path, Precision], None]
"""Writes the bundle of a model, given by name, into a folder."""


def open_onnx(
    name: str,
    *,
    dtype: Dtype = "auto",
    threads: int | None = None,
    export: Export | None = None,
    context_length: int | None = None,
    slots: int = 8,
    queue: int = 64,
    keep_personas: bool = True,
) -> OnnxEngine:
    """Open a model with the fast engine, see `ruxi.runtime.load`.

    Args:
        name: A bundle's folder, or a model that was exported into the store, or that `export` can export.
        dtype: `auto` for small weights; `float32` for those of the torch engine.
        threads: Threads for one pass; None for one a core.
        export: Exports a model that has no bundle yet.
        context_length: See `OnnxEngine`; the others likewise.
        slots: See `OnnxEngine`.
        queue: See `OnnxEngine`.
        keep_personas: Whether what was read of a persona is kept in the store, so that the next start need not read it.

    Raises:
        UsageError: The model was not exported, or a value is wrong.
        ModelError: The bundle is damaged.
    """
    if dtype not in ("auto", "float32"):
        raise UsageError(
            f"this engine does not compute in {dtype}",
            where="dtype",
            remedy="Choose auto, or float32 for full weights.",
        )
    folder = Path(name) if is_bundle(name) else _exported(name, "fp32" if dtype == "float32" else "auto", export)
    bundle = Bundle.open(folder)
    if dtype == "float32" and bundle.config.precision != "fp32":
        raise UsageError(
            f"was exported in {bundle.config.precision}",
            where=str(folder),
            remedy="Export it in fp32, or leave dtype out.",
        )
    return OnnxEngine(
        bundle,
        name=name,
        threads=threads,
        context_length=context_length,
        slots=slots,
        queue=queue,
        personas=weights.home() / "personas" if keep_personas else None,
    )


def stored_bundle(name: str, precision: Precision) -> Path:
    """Where in the store the bundle of a model lies once it was exported.

    Args:
        name: The model.
        precision: Of its weights.
    """
    facts = {"model": list(_facts(name)), "precision": precision}
    return weights.home() / "bundles" / files.sha256_of_bytes(json.dumps(facts).encode())[:16]


def _facts(name: str) -> Iterator[object]:
    """What tells a model from others, without reading its weights."""
    folder = adapter_folder(name) or Path(name)
    if name == DEFAULT_MODEL and folder == Path(name):
        yield sorted(file.sha256 for file in catalogue.PARTS["smollm2-135m-instruct"].files)
    elif folder.is_dir():
        for file in sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors")):
            yield file.name, file.stat().st_size, file.stat().st_mtime_ns
    else:
        yield name


def _exported(name: str, precision: Precision, export: Export | None) -> Path:
    folder = stored_bundle(name, precision)
    if not is_bundle(folder):
        if export is None:
            raise UsageError(
                "is not a bundle of ONNX graphs, which this engine needs",
                where=name,
                remedy=f"Run `ruxi compress {name} --to onnx -o FOLDER` and load FOLDER.",
            )
        export(name, folder, precision)
    return folder
