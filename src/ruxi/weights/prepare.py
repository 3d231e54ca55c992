"""Turns the pinned GGUF file of the language model into safetensors, once.

`transformers` needs over ten seconds to read the GGUF each time; the prepared folder loads in a fraction of
that. The conversion runs in a process of its own (`ruxi.weights.convert`): its memory goes back to the system,
and the bars that its libraries draw stay off the screen.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

from ruxi import files
from ruxi.errors import WeightsError
from ruxi.weights import room
from ruxi.weights.catalogue import Part
from ruxi.weights.store import PREPARED, Store, source_of, write_receipt


def prepare(store: Store, part: Part) -> None:
    """Make the prepared form of an installed part. The caller holds the store's lock.

    Raises:
        WeightsError: The GGUF file cannot be converted.
        OSError: The store cannot be written.
    """
    folder = store.folder(part)
    source = next(folder / file.name for file in part.files if file.name.endswith(".gguf"))
    with files.new_folder(folder / PREPARED) as staging:
        # Nothing is to be fetched for a conversion, so nothing may be.
        result = subprocess.run(
            [sys.executable, "-P", "-m", "ruxi.weights.convert", str(source), str(staging)],
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if result.returncode != 0:
            raise _explained(result, source, part)
        entries = {}
        for path in sorted(staging.iterdir()):
            path.chmod(0o644)
            _flush(path)
            entries[path.name] = (files.sha256_of(path), path.stat().st_size)
        write_receipt(staging, entries, source_of(part))


def _explained(result: subprocess.CompletedProcess[str], source: Path, part: Part) -> WeightsError | OSError:
    """The error behind a conversion that failed."""
    # Writing through a memory map on a full disk ends in SIGBUS instead of a message.
    if room.DISK_FULL.search(result.stderr) or result.returncode == -signal.SIGBUS:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    reason = (result.stderr.strip().splitlines() or ["no message"])[-1].strip()
    if result.returncode < 0:
        reason = f"stopped by signal {-result.returncode}, perhaps for want of memory"
    return WeightsError(
        f"cannot be converted to safetensors: {reason}",
        where=str(source),
        remedy=f"See that 2 GB of memory are free and what `ruxi doctor` finds, then run `ruxi pull {part.name}`.",
    )


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
