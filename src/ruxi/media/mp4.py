"""How large an index an MP4 asks for, told before FFmpeg builds it.

The tables of ISO/IEC 14496-12 state how many samples a track has, where a few bytes can claim millions. FFmpeg finds
them in any container box at any depth, so they are looked for in all of these; where it would leave the nesting of the
boxes, the file is refused. So is a compressed index (`cmov`), which nobody writes and which unpacks to any size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ruxi.errors import MediaError

_MOST_SAMPLES = 3_000_000
_MOST_BOXES = 1_000_000
_DEEPEST = 10
# fmt: off
_CONTAINERS = frozenset({
    b"dinf", b"edts", b"free", b"hoov", b"mdia", b"meta", b"minf", b"moof", b"moov", b"mvex", b"stbl", b"traf",
    b"trak", b"tref", b"udta", b"wave",
})
# fmt: on


def check_tables(data: bytes, where: str) -> None:
    """Refuse an MP4 whose tables claim more samples than a video of any sensible length has.

    Args:
        data: The whole file.
        where: The file's name for messages.

    Raises:
        MediaError: It claims too many, or its boxes are not where they belong.
    """
    samples = claimed_samples(data)
    if samples is None:
        problem = "a damaged MP4 file (its index is packed, endless or misplaced)"
    elif samples > _MOST_SAMPLES:
        problem = f"a damaged MP4 file (it claims {samples:,} samples)"
    else:
        return
    raise MediaError(problem, where=where, remedy="Save or download it again.")


def claimed_samples(data: bytes) -> int | None:
    """The samples that all tables of an MP4 claim together; None for an index that is packed or leaves its place."""
    total = boxes = 0
    # (begin, end, depth, whether the samples of the track are counted)
    left = [(0, len(data), 0, True)]
    while left:
        start, stop, depth, counted = left.pop()
        for name, inner, end in _boxes(data, start, stop):
            boxes += 1
            if boxes > _MOST_BOXES or name == b"cmov" or (name == b"mdat" and depth):
                return None
            if name == b"stsz" and counted:
                total += _number(data, inner + 8)
            elif name == b"trun":
                total += _number(data, inner + 4)
            elif name in _CONTAINERS and depth < _DEEPEST:
                left.append((inner, end, depth + 1, counted and not (name == b"trak" and _is_pcm(data, inner, end))))
    return total


def _is_pcm(data: bytes, start: int, stop: int) -> bool:
    """Whether a track is uncompressed sound: a sample for every moment, taken in chunks and without an index."""
    handlers = [data[at + 8 : at + 12] for at in _inside(data, start, stop, b"mdia", b"hdlr")]
    times = list(_inside(data, start, stop, b"mdia", b"minf", b"stbl", b"stts"))
    return (
        handlers == [b"soun"] and len(times) == 1 and _number(data, times[0] + 4) == _number(data, times[0] + 12) == 1
    )


def _inside(data: bytes, start: int, stop: int, *path: bytes) -> Iterator[int]:
    """Where the content of every box at a path begins."""
    for name, inner, end in _boxes(data, start, stop):
        if name == path[0]:
            yield from _inside(data, inner, end, *path[1:]) if len(path) > 1 else [inner]


def _boxes(data: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of the content of the boxes that follow each other between two places."""
    while start + 8 <= stop:
        size, name = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1 and start + 16 <= stop:
            size, header = struct.unpack_from(">Q", data, start + 8)[0], 16
        elif size == 0:
            size = stop - start
        if size < header:
            return
        yield name, start + header, min(start + size, stop)
        start += size


def _number(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 4], "big")
