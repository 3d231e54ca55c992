"""Disks that are small, full or read-only: real ones, mounted for one process in a namespace of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def _can_mount() -> bool:
    command = [*_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True).returncode == 0


needs_mount = pytest.mark.skipif(not _can_mount(), reason="no user namespaces to mount a disk in")


def small_disk(home: Path, kilobytes: int) -> tuple[str, ...]:
    """The beginning of a command line that runs the rest with an empty disk of that size at `home`.

    Afterwards it prints what the store holds.
    """
    home.mkdir(exist_ok=True)
    script = f'mount -t tmpfs -o size={kilobytes}k tmpfs "$0" && "$@"; code=$?; ls -A "$0/weights"; exit $code'
    return (*_NAMESPACE, "sh", "-c", script, str(home))


def read_only_disk(home: Path) -> tuple[str, ...]:
    """The beginning of a command line for which `home` is on a read-only disk."""
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    return (*_NAMESPACE, "sh", "-c", script, str(home))


def limited_files(size: int) -> str:
    """Python that limits the files of its process, and of those it starts, to a number of bytes."""
    return f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
