"""The `media/` folder of a data set or a saved chat: files kept under the digest of their content.

A medium that is added twice is stored once. Names are made from the digest alone and checked before use, so no name
from a dialogue can lead out of the folder; what is read is checked against its digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ruxi import files
from ruxi.errors import MediaError
from ruxi.media.limits import DEFAULT_LIMITS, Limits
from ruxi.media.sniff import require
from ruxi.media.sources import read_source

_SHA256 = re.compile(r"[0-9a-f]{64}")


class MediaFolder:
    """Media by content: `ab/abcd….png`, with the ending of what the content is.

    Args:
        root: The folder; it is made when the first medium is added.
        limits: What is refused.
    """

    def __init__(self, root: str | Path, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.root = Path(root)
        self._limits = limits

    def add(self, medium: bytes | str | Path) -> str:
        """Keep a medium; adding it again changes nothing. Safe under several processes.

        Args:
            medium: The file's bytes or its path.

        Returns:
            The SHA-256 of its bytes.

        Raises:
            MediaError: It cannot be read, is of no known format, or is too large.
        """
        original = read_source(medium if isinstance(medium, bytes) else Path(medium), self._limits)
        format_ = require(original.data, None, original.source)
        if original.sha256 not in self:
            sha256 = original.sha256
            files.write_bytes(self.root / sha256[:2] / f"{sha256}{format_.ending}", original.data)
        return original.sha256

    def path(self, sha256: str) -> Path:
        """Where a medium lies.

        Raises:
            MediaError: It is not there, or the name is no digest.
        """
        found = self._find(sha256)
        if found is None:
            raise MediaError(
                f"no medium {sha256[:80]!r}",
                where=str(self.root),
                remedy="Copy the whole media folder, or import the data again.",
            )
        return found

    def read(self, sha256: str) -> bytes:
        """The bytes of a medium.

        Raises:
            MediaError: It is not there, or its content is not what its name says.
        """
        path = self.path(sha256)
        original = read_source(path, self._limits)
        if original.sha256 != sha256:
            raise MediaError("its content does not fit its name", where=str(path), remedy="Copy the file again.")
        return original.data

    def __contains__(self, sha256: object) -> bool:
        return isinstance(sha256, str) and self._find(sha256) is not None

    def __iter__(self) -> Iterator[str]:
        """The digests of all media, sorted."""
        paths = filter(_is_own, self.root.glob("??/*"))
        return iter(sorted({path.stem for path in paths if _SHA256.fullmatch(path.stem)}))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _find(self, sha256: str) -> Path | None:
        if not _SHA256.fullmatch(sha256):
            return None
        return next(filter(_is_own, sorted((self.root / sha256[:2]).glob(f"{sha256}.*"))), None)


def _is_own(path: Path) -> bool:
    # A link in a folder that somebody else made could lead anywhere.
    return path.is_file() and not path.is_symlink()
