"""The store: one folder per pinned part, each with a receipt of what was verified when it was installed.

A part counts as installed when its receipt names the digests of the catalogue and its files have the pinned
sizes. That is cheap enough for every call; the bytes are hashed again only when a caller asks for it. Names that
start with a dot are unfinished work of a run that holds the lock, or of one that was killed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import filelock
import platformdirs

from ruxi import files
from ruxi.errors import UsageError, WeightsError
from ruxi.weights import catalogue
from ruxi.weights.catalogue import Part

RECEIPT = "installed.json"
PREPARED = "hf"
_LOCK = ".lock"


def home() -> Path:
    """The folder of everything that Ruxi keeps: `RUXI_HOME`, or the user's cache folder."""
    chosen = os.environ.get("RUXI_HOME")
    return Path(chosen).expanduser().absolute() if chosen else Path(platformdirs.user_cache_dir("ruxi"))


@dataclass(frozen=True)
class Store:
    """The pinned parts on this machine.

    Attributes:
        root: The folder that holds one folder per part.
        parts: The pinned parts by name.
    """

    root: Path = field(default_factory=lambda: home() / "weights")
    parts: Mapping[str, Part] = field(default_factory=lambda: catalogue.PARTS)

    def part(self, name: str) -> Part:
        """The pinned part of that name.

        Raises:
            UsageError: No part has that name; the message lists those that exist.
        """
        if name not in self.parts:
            raise UsageError(f"no pretrained part is called {name!r}", remedy=f"Known: {', '.join(self.parts)}.")
        return self.parts[name]

    def folder(self, part: Part) -> Path:
        """Where a part lies, or will lie."""
        return self.root / part.name

    def fault(self, part: Part, *, verify: bool = False) -> str | None:
        """What keeps the pinned files of a part from being used, or None.

        Args:
            part: The part to look at.
            verify: Hash the files again instead of trusting the receipt and the sizes.
        """
        folder = self.folder(part)
        if not folder.is_dir():
            return "not installed"
        pinned = {file.name: {"sha256": file.sha256, "bytes": file.size} for file in part.files}
        if _receipt(folder) != pinned:
            return "not the pinned version"
        return _fault_in(folder, verify=verify)

    def prepared_fault(self, part: Part, *, verify: bool = False) -> str | None:
        """What keeps the prepared form of a part from being used, or None (also if it has no such form)."""
        if part.prepared is None:
            return None
        folder = self.folder(part) / PREPARED
        if not folder.is_dir():
            return "not prepared"
        if _receipt(folder, "source") != source_of(part):
            return "prepared from another version"
        return _fault_in(folder, verify=verify)

    @contextmanager
    def locked(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the store for changes, and clear away what killed runs left.

        Args:
            on_wait: Called once if another process holds the store.

        Raises:
            WeightsError: The store's folder cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.root / _LOCK)
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                on_wait()
                lock.acquire()
        except OSError as error:
            raise unwritable(self.root, error) from error
        try:
            self._clear_leftovers()
            yield
        finally:
            lock.release()

    def _clear_leftovers(self) -> None:
        for pattern in (".*", "*/.*"):
            for leftover in self.root.glob(pattern):
                if leftover.is_dir() and not leftover.is_symlink():
                    shutil.rmtree(leftover, ignore_errors=True)
                elif leftover != self.root / _LOCK:
                    with suppress(OSError):
                        leftover.unlink()


def source_of(part: Part) -> dict[str, str]:
    """The digests by which a prepared form knows what it was made from."""
    return {file.name: file.sha256 for file in part.files}


def write_receipt(folder: Path, entries: Mapping[str, tuple[str, int]], source: dict[str, str] | None = None) -> None:
    """Note in a folder what was verified or made.

    Args:
        folder: The folder, before it takes its final name.
        entries: SHA-256 and bytes by file name.
        source: For a prepared form, `source_of` the part.
    """
    receipt: dict[str, object] = {
        "files": {name: {"sha256": digest, "bytes": size} for name, (digest, size) in entries.items()}
    }
    if source is not None:
        receipt["source"] = source
    files.write_text(folder / RECEIPT, json.dumps(receipt, indent=1) + "\n")


def unwritable(root: Path, error: OSError) -> WeightsError:
    """The error for a store that the file system does not let us change."""
    return WeightsError(
        f"the store cannot be written ({error.strerror or error})",
        where=str(root),
        remedy="Set RUXI_HOME to a folder that you may write.",
    )


def _receipt(folder: Path, key: str = "files") -> object:
    try:
        content = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get(key) if isinstance(content, dict) else None


def _fault_in(folder: Path, *, verify: bool) -> str | None:
    """The first file of a folder that differs from its receipt."""
    entries = _receipt(folder)
    if not isinstance(entries, dict):
        return "no receipt of its installation"
    for name, entry in entries.items():
        path = folder / name
        try:
            size = path.stat().st_size
            digest = files.sha256_of(path) if verify else entry["sha256"]
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if size != entry["bytes"]:
            return f"{name} is damaged ({size} bytes instead of {entry['bytes']})"
        if digest != entry["sha256"]:
            return f"{name} is damaged (SHA-256 {digest}, expected {entry['sha256']})"
    return None
