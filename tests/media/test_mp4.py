"""MP4 files of a few kilobytes that claim gigabytes."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from ruxi.media import open_medium
from ruxi.media.mp4 import claimed_samples
from tests.media.samples import encoded_sound, encoded_video, sample


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def claiming(samples: int, tracks: int = 1) -> bytes:
    """A video whose tables claim samples of one byte each, in as many tracks as wanted."""
    data = bytearray(sample("mpeg4.mp4"))
    for name, numbers in ((b"stsz", (1, samples)), (b"stsc", (1, 1, samples, 1)), (b"stts", (1, samples, 1))):
        struct.pack_into(f">{len(numbers)}I", data, data.index(name) + 8, *numbers)
    moov, trak = data.index(b"moov") - 4, data.index(b"trak") - 4
    size = struct.unpack_from(">I", data, trak)[0]
    track = bytes(data[trak : trak + size])
    data[trak : trak + size] = track * tracks
    struct.pack_into(">I", data, moov, struct.unpack_from(">I", data, moov)[0] + size * (tracks - 1))
    return bytes(data)


def fragment_claiming(samples: int) -> bytes:
    data = bytearray(sample("fragmented.mp4"))
    struct.pack_into(">II", data, data.index(b"trun") + 4, 0, samples)
    return bytes(data)


def packed_index() -> bytes:
    packed = zlib.compress(bytes(300_000_000), 1)
    index = box(b"cmov", box(b"dcom", b"zlib") + box(b"cmvd", struct.pack(">I", 300_000_000) + packed))
    return box(b"ftyp", b"isom\0\0\0\0isom") + box(b"moov", index)


def hidden(inside: bytes) -> bytes:
    """A bomb whose index lies in a box in which only a lenient reader looks for it."""
    data = claiming(80_000_000)
    moov = data.index(b"moov") - 4
    size = struct.unpack_from(">I", data, moov)[0]
    content = data[moov : moov + size] if inside == b"udta" else data[moov + 8 : moov + size]
    return data[:moov] + box(inside, content) + data[moov + size :]


def nested(data: bytes) -> bytes:
    """Lead a lenient reader out of the nesting: it goes on after an `mdat` that lies in another box."""
    return box(b"ftyp", b"isom\0\0\0\0isom") + box(b"udta", box(b"mdat", b"")) + data


BOMBS = {
    "one track": (lambda: claiming(80_000_000), "it claims 80,000,000 samples"),
    "many tracks": (lambda: claiming(2_500_000, 16), "it claims 40,000,000 samples"),
    "fragment": (lambda: fragment_claiming(80_000_000), r"it claims 80,000,\d+ samples"),
    "packed index": (packed_index, "packed, endless or misplaced"),
    "in another box": (lambda: hidden(b"udta"), "it claims 80,000,000 samples"),
    "in free space": (lambda: hidden(b"free"), "it claims 80,000,000 samples"),
    "many boxes": (lambda: sample("mpeg4.mp4") + box(b"skip", b"") * 1_000_000, "packed, endless or misplaced"),
    "out of the nesting": (lambda: nested(claiming(1)), "packed, endless or misplaced"),
}
OPEN = """
import sys
from pathlib import Path
from ruxi.errors import MediaError
from ruxi.media import open_medium
try:
    open_medium(sys.argv[1])
except MediaError as error:
    print(error)
print(int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize("name", BOMBS)
def test_a_claim_costs_no_memory(name: str, tmp_path: Path) -> None:
    make, words = BOMBS[name]
    path = tmp_path / "bomb.mp4"
    path.write_bytes(make())
    assert path.stat().st_size < 10_000_000
    run = subprocess.run([sys.executable, "-c", OPEN, path], capture_output=True, text=True, timeout=60, check=True)
    message, megabytes = run.stdout.splitlines()
    assert re.search(words, message)
    assert int(megabytes) < 300


def test_what_is_claimed_is_what_is_there() -> None:
    assert claimed_samples(encoded_video("mp4", "mpeg4", seconds=2.0, rate=10)) == 20
    assert claimed_samples(encoded_video("mp4", "mpeg4", seconds=2.0, options={"movflags": "frag_keyframe"})) == 20


def test_uncompressed_sound_is_not_counted_and_opens() -> None:
    data = encoded_sound("mov", "pcm_s16le", seconds=100.0)
    assert claimed_samples(data) == 0
    assert open_medium(data).end == pytest.approx(100.0, abs=0.01)


@pytest.mark.parametrize(
    "data", [b"", bytes(64), box(b"moov", b"\0\0\0\1trak"), box(b"moof", box(b"traf", b"\0\0\0\x08trun"))]
)
def test_damaged_boxes_count_as_empty(data: bytes) -> None:
    assert claimed_samples(data) == 0
