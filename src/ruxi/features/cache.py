"""The feature cache: what an extractor found in a medium, kept by the medium's content.

One safetensors file an entry, in `root/EXTRACTOR-DIGEST/ab/SHA256.safetensors`: the folder's digest covers the
extractor's name and version, so a new version never meets old features. Arrays are read through a memory map; labels,
words and text travel as JSON in the file's header. There is no index to lock or to lose: an entry appears under its
name complete or not at all, writers that race write the same, and a killed one leaves a hidden file that `prune`
removes.

A file that does not read, or whose checksum is wrong, counts as absent and is written anew. The checksum is compared
when a process meets an entry for the first time; after that a hit costs opening the file and little more.
"""

from __future__ import annotations

import json
import logging
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ruxi import files, weights
from ruxi.dialogues import Label, Word
from ruxi.errors import UsageError
from ruxi.features.types import Extractor, FeatureSequence
from ruxi.media import Image, Medium, Video

_ENDING = ".safetensors"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ENTRY = re.compile(rf"[0-9a-f]{{64}}{re.escape(_ENDING)}")
_UNFINISHED = re.compile(rf"\.{_ENTRY.pattern}\..+")
_FOLDER = re.compile(r".+-[0-9a-f]{12}")
_ABANDONED_SECONDS = 3600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Usage:
    """How much is kept, or was removed.

    Attributes:
        entries: Number of media.
        bytes: Their size on disk.
    """

    entries: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class _Entry:
    path: Path
    bytes: int
    written: float


class FeatureCache:
    """Features by content, shared by all processes of a machine.

    Args:
        root: The folder; `features` in the folder that `RUXI_HOME` names by default.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = Path(root) if root is not None else weights.home() / "features"
        self._verified: set[Path] = set()

    def get(self, sha256: str, extractor: Extractor) -> FeatureSequence | None:
        """What an extractor found in a medium, or None if that is not known.

        For a video this is what was found in the frames that were last extracted.

        Args:
            sha256: Digest of the medium's bytes.
            extractor: Who would look at it; its weights are not loaded.

        Returns:
            The features; the arrays cannot be written to.

        Raises:
            UsageError: The digest is none.
        """
        found = self._read(self._path(sha256, extractor))
        return found[0] if found else None

    def put(self, sha256: str, extractor: Extractor, found: FeatureSequence, *, view: str = "") -> None:
        """Keep what an extractor found, in place of what was kept before.

        Args:
            sha256: Digest of the medium's bytes.
            extractor: Who found it.
            found: What it found.
            view: Which view of those bytes it looked at, where there are several (see `extract`).

        Raises:
            UsageError: The digest is none.
            OSError: The disk does not take it.
        """
        from safetensors.numpy import save

        path = self._path(sha256, extractor)
        arrays: dict[str, npt.NDArray[Any]] = {
            "values": np.ascontiguousarray(found.values, dtype=np.float16),
            "times": np.ascontiguousarray(found.times, dtype=np.float32),
        }
        facts = _facts(found)
        checksum = str(_checksum(facts, view, arrays))
        files.write_bytes(path, save(arrays, {"facts": facts, "view": view, "crc32": checksum}))
        self._verified.add(path)

    def extract(self, extractor: Extractor, medium: Medium) -> FeatureSequence:
        """Features from the cache, or from the extractor and then kept.

        A video opened with other frames than those kept is looked at again, and so is a picture that is shown for
        another time. A cache that cannot be written costs time
        and a warning, never the features.

        Raises:
            MediaError: The extractor does not take this medium.
            WeightsError: The extractor is needed, and its weights are not installed.
        """
        view = _view(medium)
        known = self._read(self._path(medium.sha256, extractor))
        if known and known[1] == view:
            return known[0]
        found = extractor.extract(medium)
        try:
            self.put(medium.sha256, extractor, found, view=view)
        except OSError as error:
            _log.warning("features are not kept in %s: %s. Set RUXI_HOME to a folder with room.", self.root, error)
        return found

    def usage(self) -> dict[str, Usage]:
        """What is kept, by extractor and version: the names of the folders in `root`."""
        found = {}
        for folder in self._folders():
            entries = list(_entries(folder))
            found[folder.name] = Usage(len(entries), sum(entry.bytes for entry in entries))
        return found

    def prune(self, *, max_bytes: int | None = None, keep: Iterable[Extractor] | None = None) -> Usage:
        """Remove features that are not wanted any more. Readers and writers may go on meanwhile.

        Args:
            max_bytes: Remove the entries written first until no more than this remains; None removes none for size.
            keep: Remove all that other extractors or other versions found; None keeps every extractor's.

        Returns:
            What was removed.
        """
        wanted = None if keep is None else {_folder_name(extractor.name, extractor.version) for extractor in keep}
        removed: list[_Entry] = []
        kept: list[_Entry] = []
        for folder in self._folders():
            unwanted = wanted is not None and folder.name not in wanted
            (removed if unwanted else kept).extend(_entries(folder))
            _remove_unfinished(folder)
        if max_bytes is not None:
            kept.sort(key=lambda entry: entry.written)
            excess = sum(entry.bytes for entry in kept) - max_bytes
            for entry in kept:
                if excess <= 0:
                    break
                removed.append(entry)
                excess -= entry.bytes
        for entry in removed:
            entry.path.unlink(missing_ok=True)
            self._verified.discard(entry.path)
        self._remove_empty_folders()
        return Usage(len(removed), sum(entry.bytes for entry in removed))

    def _remove_empty_folders(self) -> None:
        for folder in self._folders():
            for empty in (*folder.glob("??"), folder):
                with suppress(OSError):  # not empty, or filled again meanwhile
                    empty.rmdir()

    def _folders(self) -> list[Path]:
        """One folder for each version of an extractor; whatever else lies in the root is not ours."""
        return sorted(path for path in self.root.glob("*-*") if _FOLDER.fullmatch(path.name) and path.is_dir())

    def _path(self, sha256: str, extractor: Extractor) -> Path:
        if not _SHA256.fullmatch(sha256):
            raise UsageError(f"{sha256[:80]!r} is not a SHA-256 digest", where="feature cache")
        return self.root / _folder_name(extractor.name, extractor.version) / sha256[:2] / f"{sha256}{_ENDING}"

    def _read(self, path: Path) -> tuple[FeatureSequence, str] | None:
        """The features in a file and the view that they are of, or None if it is absent or damaged."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                header = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in ("values", "times")}
            facts, view = header["facts"], header["view"]
            if path not in self._verified and str(_checksum(facts, view, arrays)) != header["crc32"]:
                raise ValueError("wrong checksum")
            self._verified.add(path)
            found = _sequence(arrays, json.loads(facts))
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s is damaged (%s) and is computed again", path, error)
            return None
        return found, view


@lru_cache
def _folder_name(name: str, version: str) -> str:
    """A folder for one version of an extractor, readable and safe whatever its name."""
    digest = files.sha256_of_bytes(f"{name}\0{version}".encode())[:12]
    return f"{re.sub(r'[^A-Za-z0-9.]+', '_', name)[:60].lstrip('.')}-{digest}"


def _view(medium: Medium) -> str:
    """What tells apart several extractions of the same bytes: how long a picture is shown, which frames of a video."""
    if isinstance(medium, Image):
        return f"{medium.end - medium.start:.3f} s" if medium.end > medium.start else ""
    if isinstance(medium, Video):
        frames = [f"{frame.sha256} {frame.start - medium.start:.3f}" for frame in medium.frames]
        return files.sha256_of_bytes(" ".join(frames).encode())[:16]
    return ""


def _entries(folder: Path) -> Iterator[_Entry]:
    for path in folder.glob(f"??/*{_ENDING}"):
        if _ENTRY.fullmatch(path.name):
            with suppress(OSError):  # removed by somebody else meanwhile
                status = path.stat()
                yield _Entry(path, status.st_size, status.st_mtime)


def _remove_unfinished(folder: Path) -> None:
    """Remove what writers left that were killed a while ago."""
    for path in folder.glob(f"??/.*{_ENDING}.*"):
        with suppress(OSError):
            if _UNFINISHED.fullmatch(path.name) and time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink()


def _checksum(facts: str, view: str, arrays: dict[str, npt.NDArray[Any]]) -> int:
    checksum = zlib.crc32(view.encode(), zlib.crc32(facts.encode()))
    for name in sorted(arrays):
        checksum = zlib.crc32(f"{name}{arrays[name].shape}".encode(), checksum)
        checksum = zlib.crc32(arrays[name].tobytes(), checksum)
    return checksum


def _facts(found: FeatureSequence) -> str:
    """Everything but the arrays, as JSON."""
    return json.dumps(
        {
            "labels": [label.model_dump(exclude_none=True) for label in found.labels],
            "text": found.text,
            "words": [word.model_dump() for word in found.words],
            "language": found.language,
            "language_probability": found.language_probability,
        }
    )


def _sequence(arrays: dict[str, npt.NDArray[Any]], facts: dict[str, Any]) -> FeatureSequence:
    values, times = arrays["values"], arrays["times"]
    if values.ndim != 2 or times.shape != (len(values), 2):
        raise ValueError(f"values of shape {values.shape} with times of shape {times.shape}")
    for array in (values, times):
        array.flags.writeable = False
    return FeatureSequence(
        values,
        times,
        labels=tuple(Label.model_validate(label) for label in facts["labels"]),
        text=facts["text"],
        words=tuple(Word.model_validate(word) for word in facts["words"]),
        language=facts["language"],
        language_probability=facts["language_probability"],
    )
