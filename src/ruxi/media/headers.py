"""The size of a picture, read from its header without any decoder.

A decoder may reserve memory for the whole picture, or walk a list of a million entries, as soon as it opens a file.
So the few fields that decide how much work is ahead are read here first, in bounded time. The formats are those of
their specifications: PNG (W3C), JPEG (ITU T.81), GIF89a, WebP (RFC 9649), BMP, TIFF 6.0 and BigTIFF.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from ruxi.errors import MediaError
from ruxi.media import sniff
from ruxi.media.sniff import Format

# Far above what real files hold; each bounds a loop over a list in the file.
_MOST_CHUNKS = 250_000
_MOST_SEGMENTS = 20_000
_MOST_SCANS = 100
_MOST_BLOCKS = 2_000_000
_MOST_TAGS = 4_096
_MOST_STRIPS = 65_536


@dataclass(frozen=True)
class Header:
    """What a picture's header promises.

    Attributes:
        width: In pixels.
        height: In pixels.
        frames: Frames of an animation; 1 where the format or the decoder knows a single picture.
    """

    width: int
    height: int
    frames: int = 1


class _DamagedError(Exception):
    """The header cannot be read; the text says what is wrong."""


def read_header(data: bytes, format_: Format, where: str) -> Header:
    """Read how large a picture is.

    Args:
        data: The whole file.
        format_: Its format, from `ruxi.media.sniff`.
        where: The file's name for messages.

    Raises:
        MediaError: The header is damaged, cut off, or asks for unreasonable work.
    """
    try:
        header = _READERS[format_.name](data)
        if header.width <= 0 or header.height <= 0:
            raise _DamagedError(f"its size is {header.width} x {header.height} pixels")
    except (_DamagedError, struct.error, IndexError) as error:
        reason = str(error) if isinstance(error, _DamagedError) else "it ends within the header"
        raise MediaError(
            f"a damaged {format_.name} picture: {reason}", where=where, remedy="Save or download it again."
        ) from None
    return header


def _png(data: bytes) -> Header:
    if data[12:16] != b"IHDR":
        raise _DamagedError("its first chunk is not IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    position, chunks, frames = 8, 0, 1
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        if name == b"acTL" and length >= 8:
            frames = max(1, struct.unpack_from(">I", data, position + 8)[0])
        if name == b"IEND":
            break
        position += length + 12
        chunks += 1
        if chunks > _MOST_CHUNKS:
            raise _DamagedError(f"more than {_MOST_CHUNKS:,} chunks")
    return Header(width, height, frames)


def _jpeg(data: bytes) -> Header:
    position = 2
    for _ in range(_MOST_SEGMENTS):
        start = data.index(b"\xff", position) if data.find(b"\xff", position) >= 0 else len(data)
        while data[start] == 0xFF:
            start += 1
        marker, position = data[start], start + 1
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            continue
        if marker in (0xD9, 0xDA):
            raise _DamagedError("no frame header")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, position + 3)
            # Every scan passes over the whole picture, however few bytes it takes.
            if data.count(b"\xff\xda", position) > _MOST_SCANS:
                raise _DamagedError(f"more than {_MOST_SCANS} scans")
            return Header(width, height)
        position += struct.unpack_from(">H", data, position)[0]
    raise _DamagedError(f"more than {_MOST_SEGMENTS:,} segments")


def _gif(data: bytes) -> Header:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _gif_table(flags)
    frames = blocks = 0
    while position < len(data) and data[position] != 0x3B:
        if data[position] == 0x21:
            position += 2
        elif data[position] == 0x2C:
            left, top, frame_width, frame_height, flags = struct.unpack_from("<HHHHB", data, position + 1)
            # Decoders grow the picture when a frame reaches over its edge.
            width, height = max(width, left + frame_width), max(height, top + frame_height)
            position += 11 + _gif_table(flags)
            frames += 1
        else:
            position += 1
            blocks += 1
            continue
        while position < len(data) and data[position]:
            position += 1 + data[position]
            blocks += 1
            if blocks > _MOST_BLOCKS:
                raise _DamagedError(f"more than {_MOST_BLOCKS:,} blocks")
        position += 1
    if not frames:
        raise _DamagedError("no frame")
    return Header(width, height, frames)


def _gif_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _webp(data: bytes) -> Header:
    name = data[12:16]
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return Header(width & 0x3FFF, height & 0x3FFF)
    if name == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if name != b"VP8X":
        raise _DamagedError("no picture chunk")
    width = int.from_bytes(data[24:27], "little") + 1
    height = int.from_bytes(data[27:30], "little") + 1
    return Header(width, height, max(1, data.count(b"ANMF")))


def _bmp(data: bytes) -> Header:
    size = struct.unpack_from("<I", data, 14)[0]
    if size == 12:
        width, height = struct.unpack_from("<HH", data, 18)
        return Header(width, height)
    width, height = struct.unpack_from("<ii", data, 18)
    return Header(width, abs(height))


def _tiff(data: bytes) -> Header:
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    offset = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    count_format, entry = (
        (order + "Q", struct.Struct(order + "HHQ8s"))
        if big
        else (
            order + "H",
            struct.Struct(order + "HHI4s"),
        )
    )
    count = struct.unpack_from(count_format, data, offset)[0] if offset < len(data) else 0
    if not 0 < count <= _MOST_TAGS:
        raise _DamagedError(f"{count:,} fields in its directory")
    values: dict[int, int] = {}
    for index in range(count):
        position = offset + struct.calcsize(count_format) + index * entry.size
        tag, type_, number, raw = entry.unpack_from(data, position)
        if tag in (273, 324) and number > _MOST_STRIPS:
            raise _DamagedError(f"{number:,} strips or tiles")
        code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(type_)
        if code and tag in (256, 257, 322, 323, 278):
            values.setdefault(tag, struct.unpack_from(order + code, raw.ljust(8, b"\0"))[0])
    if 256 not in values or 257 not in values:
        raise _DamagedError("no size in its directory")
    width, height = values[256], values[257]
    # A tile is decoded as a whole, even where it reaches far over the picture's edge.
    return Header(max(width, values.get(322, 0)), max(height, values.get(323, 0)))


_READERS: dict[str, Callable[[bytes], Header]] = {
    sniff.PNG.name: _png,
    sniff.JPEG.name: _jpeg,
    sniff.GIF.name: _gif,
    sniff.WEBP.name: _webp,
    sniff.BMP.name: _bmp,
    sniff.TIFF.name: _tiff,
}
