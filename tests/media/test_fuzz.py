"""Mutated real files: each ends in a medium or one clear refusal, never in a crash, a hang or a gigabyte."""

from __future__ import annotations

import os
import pickle
import queue
import random
import select
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.media.samples import IMAGES, SOUNDS, VIDEOS, sample

COUNT = int(os.environ.get("RUXI_FUZZ", "2000"))
SEED = int(os.environ.get("RUXI_FUZZ_SEED", "0"))
SECONDS = 20.0
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 60_000, 0x7FFFFFFF, 0xFFFFFFFF)
GIGABYTE = 1024**3

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")]


def flip_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 24)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def truncate(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def splice(data: bytearray, chance: random.Random) -> None:
    """Copy, move or repeat a piece."""
    start = chance.randrange(len(data))
    piece = data[start : start + chance.randint(1, 512)]
    if chance.random() < 0.5:
        del data[start : start + len(piece)]
    place = chance.randrange(len(data) + 1)
    data[place:place] = piece * chance.choice((1, 1, 2, 50))


def cross(data: bytearray, chance: random.Random) -> None:
    """Put a piece of another file in."""
    other = sample(chance.choice(NAMES))
    start, place = chance.randrange(len(other)), chance.randrange(len(data))
    data[place : place + chance.randint(0, 256)] = other[start : start + chance.randint(1, 2_048)]


def edit_header(data: bytearray, chance: random.Random) -> None:
    """Write numbers that sizes and counts are made of into the first bytes, or anywhere."""
    reach = min(len(data), chance.choice((64, 64, 512, len(data))))
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(reach)
        number = chance.choice((*EXTREMES, chance.getrandbits(32)))
        size = chance.choice((1, 2, 4, 4, 8))
        order = chance.choice(("little", "big"))
        data[place : place + size] = (number & (1 << 8 * size) - 1).to_bytes(size, order)


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (flip_bits, truncate, splice, cross, edit_header)
NAMES = [*IMAGES, *SOUNDS, *VIDEOS]


def mutated(index: int) -> tuple[str, str, bytes]:
    """The name of the file, how to open it, and its mutated bytes; the same for the same index."""
    chance = random.Random(f"{SEED}:{index}")
    name = NAMES[index % len(NAMES)]
    data = bytearray(sample(name))
    for mutate in chance.choices(MUTATIONS, weights=(3, 1, 2, 1, 4), k=chance.randint(1, 3)):
        mutate(data, chance)
        if not data:
            break
    opener = "image" if name in IMAGES else chance.choice(("medium", "audio", "video"))
    return name, opener, bytes(data)


class Worker:
    """A process that opens files; it is started anew after a crash or hang."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def open(self, opener: str, data: bytes) -> tuple[str, str, int]:
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.media.fuzz_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                bufsize=0,
            )
        stdin, stdout = self.process.stdin, self.process.stdout
        try:
            stdin.write(pickle.dumps((opener, data)))
            # Starting takes longer than any file may, and happens within the first answer.
            if not select.select([stdout], [], [], SECONDS)[0]:
                return self.stop("hang")
            return pickle.load(stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            return self.stop("crash")

    def stop(self, why: str) -> tuple[str, str, int]:
        process, self.process = self.process, None
        if process is None:
            return why, "", 0
        if why != "crash":
            process.kill()
        process.stdin.close()
        process.stdout.close()
        return why, f"exit code {process.wait(timeout=10)}", 0


def run(indices: queue.SimpleQueue[int], results: list[tuple[int, str, str, str, int]]) -> None:
    worker = Worker()
    while True:
        try:
            index = indices.get_nowait()
        except queue.Empty:
            worker.stop("end")
            return
        name, opener, data = mutated(index)
        results.append((index, name, *worker.open(opener, data)))


def test_mutated_files_end_in_a_medium_or_a_clear_refusal() -> None:
    for name in NAMES:
        sample(name)
    indices: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(COUNT):
        indices.put(index)
    results: list[tuple[int, str, str, str, int]] = []
    threads = [threading.Thread(target=run, args=(indices, results)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == COUNT
    faults = [result for result in results if result[2] not in ("ok", "refused") or "not enough memory" in result[3]]
    assert not faults, f"{len(faults)} of {COUNT}; the first: {faults[:20]}"
    assert max(result[4] for result in results) < GIGABYTE
    assert all("\n" not in words and len(words) < 500 for *_, words, _ in results)
    ends = Counter(result[2] for result in results)
    # Both ways out are really taken: the files are neither left whole nor all broken beyond the first check.
    assert ends["ok"] > COUNT // 10
    assert ends["refused"] > COUNT // 10
