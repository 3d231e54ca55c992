"""What `ruxi doctor` looks at: the machine, the libraries, the pretrained parts, and which commands that leaves.

The libraries are those that the installed package itself asks for, so that no second list can fall behind. Those
with compiled code are imported, because a broken one is found no other way.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from ruxi.weights import Store, home

_CORE_PARTS = ("smollm2-135m-instruct", "efficientnet-lite0", "whisper-base", "all-minilm-l6-v2")

# The parts and the extras that a command needs with the default model; a command that is not here needs neither.
_NEEDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "chat": (_CORE_PARTS, ()),
    "create": (_CORE_PARTS[:1], ()),
    "train": (_CORE_PARTS, ("train",)),
    "eval": (_CORE_PARTS, ()),
    "explain": (_CORE_PARTS, ()),
    "compress": (_CORE_PARTS, ()),
    "serve": (_CORE_PARTS, ()),
    "studio": (_CORE_PARTS, ("studio",)),
    "make demo": ((*_CORE_PARTS, "piper-joe"), ("voice",)),
}

_COMPILED = {
    "av": "av",
    "faster-whisper": "ctranslate2",
    "google-re2": "re2",
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "soundfile": "soundfile",
    "tokenizers": "tokenizers",
    "torch": "torch",
}

# A chat with picture and speech stays below this.
_MEMORY = int(2.5 * 2**30)

_CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "sve", "bf16")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        group: `system`, `libraries`, `parts` or `extras`.
        name: What was looked at.
        state: `missing` keeps the core from working; `optional` is absent and not needed for it; `warning` works, but
            badly.
        detail: What was found.
        remedy: What to do if the state is not `ok`.
    """

    group: Literal["system", "libraries", "parts", "extras"]
    name: str
    state: Literal["ok", "missing", "optional", "warning"]
    detail: str
    remedy: str | None = None


def examine(*, verify: bool = False) -> list[Finding]:
    """Look at everything.

    Args:
        verify: Hash the files of the pretrained parts again.
    """
    store = Store()
    return [*_system(store), *_libraries(), *_parts(store, verify), *_extras()]


def working(commands: Iterable[str], findings: list[Finding]) -> dict[str, bool]:
    """Which commands work with what was found."""
    absent = {finding.name for finding in findings if finding.group in ("parts", "extras") and finding.state != "ok"}
    broken = any(finding.group == "libraries" and finding.state == "missing" for finding in findings)
    result = {}
    for command in commands:
        parts, extras = _NEEDS.get(command, ((), ()))
        result[command] = not absent.intersection((*parts, *extras)) and not (broken and parts)
    return result


def _system(store: Store) -> Iterator[Finding]:
    yield Finding("system", "python", "ok", f"{platform.python_version()} on {platform.platform()}")
    yield Finding("system", "processor", "ok", f"{_threads()} threads; {', '.join(_features()) or 'no known features'}")
    total, available = _memory()
    detail = f"{available / 2**30:.1f} GiB available of {total / 2**30:.1f} GiB"
    if available < _MEMORY:
        yield Finding("system", "memory", "warning", detail, "A chat needs up to 2.5 GiB: close other programs.")
    else:
        yield Finding("system", "memory", "ok", detail)
    yield _disk(store)
    yield _accelerator()


def _threads() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _features() -> list[str]:
    """The processor's features that matter for speed, where the system tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return [platform.machine()]
    flags = next((line.split(":")[1].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return [flag for flag in _CPU_FLAGS if flag in flags]


def _memory() -> tuple[int, int]:
    """Bytes of memory in all and available, within the limit of the container if there is one."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = total
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                available = int(line.split()[1]) * 1024
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8"))
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return total, available
    return min(total, limit), min(available, max(limit - used, 0))


def _disk(store: Store) -> Finding:
    from ruxi.weights import room

    folder = next(parent for parent in (store.root, *store.root.parents) if parent.is_dir())
    free = shutil.disk_usage(folder).free
    needed = room.needed(store, [part for part in store.parts.values() if store.fault(part)])
    detail = f"{free / 1e9:.1f} GB free in {home()}"
    remedy = "Set RUXI_HOME to a folder that you may write, on a disk with room."
    if not os.access(folder, os.W_OK):
        return Finding("system", "disk", "warning", f"{folder} cannot be written", remedy)
    if free < needed:
        return Finding("system", "disk", "warning", f"{detail}, {needed / 1e9:.1f} GB needed", remedy)
    return Finding("system", "disk", "ok", detail)


def _accelerator() -> Finding:
    try:
        import torch
    except (ImportError, OSError):
        return Finding("system", "gpu", "optional", "unknown without torch")
    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        detail = ", ".join(f"{card.name} ({card.total_memory / 2**30:.0f} GiB)" for card in cards)
        return Finding("system", "gpu", "ok", detail)
    if torch.backends.mps.is_available():
        return Finding("system", "gpu", "ok", "Apple Metal")
    if Path("/proc/driver/nvidia/version").exists():
        remedy = "Install the CUDA build of torch to use it."
        return Finding("system", "gpu", "warning", "an NVIDIA driver, but this torch has no CUDA", remedy)
    return Finding("system", "gpu", "optional", "none; the processor does the work")


def _libraries() -> Iterator[Finding]:
    """The package's own requirements, without extras."""
    for requirement in _requirements():
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            fault = _library_fault(requirement)
            if fault is None:
                version = importlib.metadata.version(requirement.name)
                note = " (brings its own FFmpeg)" if requirement.name == "av" else ""
                yield Finding("libraries", requirement.name, "ok", version + note)
            else:
                remedy = f"Run `pip install '{requirement.name}{requirement.specifier}'`."
                yield Finding("libraries", requirement.name, "missing", fault, remedy)


def _extras() -> Iterator[Finding]:
    """The optional extras of the package, apart from the one for its developers."""
    extras = importlib.metadata.metadata("ruxi").get_all("Provides-Extra") or []
    for extra in extras:
        if extra == "dev":
            continue
        wanted = [r for r in _requirements() if r.marker is not None and r.marker.evaluate({"extra": extra})]
        # A marker without an extra is a condition of the core, and true for every extra.
        wanted = [r for r in wanted if r.marker is not None and not r.marker.evaluate({"extra": ""})]
        faults = [f"{r.name} {fault}" for r in wanted if (fault := _library_fault(r))]
        if faults:
            remedy = f"Run `pip install 'ruxi[{extra}]'`."
            yield Finding("extras", extra, "optional", ", ".join(faults), remedy)
        else:
            yield Finding("extras", extra, "ok", ", ".join(r.name for r in wanted))


def _requirements() -> list[Requirement]:
    return [Requirement(text) for text in importlib.metadata.requires("ruxi") or []]


def _library_fault(requirement: Requirement) -> str | None:
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return "is not installed"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"is {version}, but {requirement.specifier} is needed"
    module = _COMPILED.get(requirement.name)
    if module is None:
        return None
    try:
        importlib.import_module(module)
    except (ImportError, OSError) as error:
        return f"{version} cannot be imported: {next(iter(str(error).splitlines()), type(error).__name__)}"
    return None


def _parts(store: Store, verify: bool) -> Iterator[Finding]:
    for part in store.parts.values():
        fault = store.fault(part, verify=verify) or store.prepared_fault(part, verify=verify)
        if fault is None:
            detail = f"{part.role}, {'verified' if verify else 'installed'}"
            yield Finding("parts", part.name, "ok", detail)
        else:
            state: Literal["missing", "optional"] = "missing" if part.name in _CORE_PARTS else "optional"
            yield Finding("parts", part.name, state, f"{part.role}: {fault}", f"Run `ruxi pull {part.name}`.")
