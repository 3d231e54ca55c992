"""From a path, bytes, a data URL or a web address to bytes in memory, within the limits.

Decoders get these bytes and nothing else: what was measured, hashed and recognised is what is decoded, whatever
happens to the file meanwhile.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote_to_bytes

from ruxi.errors import MediaError
from ruxi.files import sha256_of_bytes
from ruxi.media.addresses import DEFAULT_NETWORK, Network
from ruxi.media.fetch import fetch, shown
from ruxi.media.limits import Limits, check

Source = str | Path | bytes
"""A path, a data URL, a web address, or the bytes themselves."""


@dataclass(frozen=True)
class Original:
    """The bytes of a medium as they came in.

    Attributes:
        data: All of them.
        source: Where they came from, fit for a message: no line breaks, and no secrets of a URL.
    """

    data: bytes = field(repr=False)
    source: str

    @cached_property
    def sha256(self) -> str:
        """Digest of the bytes."""
        return sha256_of_bytes(self.data)


def read_source(source: Source, limits: Limits, network: Network = DEFAULT_NETWORK) -> Original:
    """Read a medium's bytes.

    Args:
        source: Path, bytes, data URL or web address.
        limits: What is refused.
        network: How names are resolved and certificates checked.

    Raises:
        MediaError: There is nothing to read, it is too large, or it comes from a place that is not allowed.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        check("bytes", len(source), limits.bytes, what="the medium", unit="bytes", where="bytes in memory")
        return Original(bytes(source), "bytes in memory")
    text = str(source)
    if isinstance(source, str):
        scheme, colon, _ = text.partition(":")
        scheme = scheme.strip().lower()
        if colon and scheme == "data":
            return Original(_data_url(text.strip(), limits), "data URL")
        if "://" in text or scheme in ("http", "https"):
            return Original(fetch(text, limits, network), shown(text))
    return Original(_file(text, limits), printable(text))


def printable(name: str) -> str:
    """A name on one line of a message: control characters and broken Unicode are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in name)


def _file(path: str, limits: Limits) -> bytes:
    where = printable(path)
    if not limits.allow_files:
        raise MediaError(
            "files of this machine are not opened here", where=where, remedy="Send the medium itself as a data URL."
        )
    try:
        # A pipe would block `open` until somebody writes; its kind is only known after it is open.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise MediaError("no such file", where=where, remedy="Check the path.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"cannot be opened ({reason.lower()})", where=where, remedy="Check the path.") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or pipe"
            raise MediaError(f"{kind}, not a file", where=where, remedy="Give the path of one medium.")
        check("bytes", status.st_size, limits.bytes, what="the file", unit="bytes", where=where)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(limits.bytes + 1)
    finally:
        os.close(descriptor)
    check("bytes", len(data), limits.bytes, what="the file", unit="bytes", where=where)
    return data


def _data_url(url: str, limits: Limits) -> bytes:
    """Decode `data:TYPE;base64,...` (RFC 2397); the type is ignored because the content tells it."""
    head, comma, body = url.partition(",")
    if not comma:
        raise MediaError("no comma before the data", where="data URL", remedy="Write data:TYPE;base64,DATA.")
    encoded = head.lower().endswith(";base64")
    # Four characters of base64 hold three bytes; an escape only ever shrinks.
    size = len(body) * 3 // 4 if encoded else len(body)
    if encoded or size > 3 * limits.bytes:
        check("bytes", size - 2, limits.bytes, what="the data URL", unit="bytes", where="data URL")
    data = unquote_to_bytes(body)
    if encoded:
        try:
            data = base64.b64decode(b"".join(data.split()), validate=True)
        except binascii.Error as error:
            raise MediaError(
                f"not base64 ({str(error).lower()})", where="data URL", remedy="Send the data complete."
            ) from None
    check("bytes", len(data), limits.bytes, what="the data URL", unit="bytes", where="data URL")
    return data
