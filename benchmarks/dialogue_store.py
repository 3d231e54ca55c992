"""Speed and memory of the dialogue store from ten thousand to a million dialogues.

    python benchmarks/dialogue_store.py [--sizes 10000 100000 1000000] [--formats jsonl jsonl.zst parquet]

Every measurement runs in a process of its own, so that its peak memory is its own. The dialogues are synthetic: six
turns of varying length, about 1.3 kB each.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ruxi.dialogues import CastMember, DatasetWriter, Dialogue, DialogueSet, Turn

WORDS = "the lamp goes round above a sea that never sleeps while the keeper counts ships and waits".split()  # noqa: SIM905
LOOKUPS = 2_000


def dialogues(count: int) -> Iterator[Dialogue]:
    chance = random.Random(0)
    cast = [CastMember(name="Mira", character="mira"), CastMember(name="You", kind="user")]
    for number in range(count):
        turns = [
            Turn.of_text(name, " ".join(chance.choices(WORDS, k=chance.randint(10, 40))), emotion="curiosity")
            for name in ("You", "Mira") * 3
        ]
        split = "test" if number % 10 == 0 else "train"
        yield Dialogue(id=f"synthetic-{number}", cast=cast, turns=turns, split=split, language="en")


def write(path: Path, format: str, count: int) -> int:
    with DatasetWriter(path, format=format, shard_dialogues=100_000) as writer:  # type: ignore[arg-type]
        for dialogue in dialogues(count):
            writer.add(dialogue)
    return count


def stream(path: Path, format: str, count: int) -> int:
    assert sum(len(dialogue.turns) for dialogue in DialogueSet.open(path)) == 6 * count
    return count


def look_up(path: Path, format: str, count: int) -> int:
    data, chance = DialogueSet.open(path), random.Random(1)
    for number in (chance.randrange(count) for _ in range(LOOKUPS)):
        assert data.get(f"synthetic-{number}").id == f"synthetic-{number}"
    return LOOKUPS


def index(path: Path, format: str, count: int) -> int:
    (path / ".index.sqlite").unlink()
    assert len(DialogueSet.open(path)) == count
    return count


STEPS: dict[str, Callable[[Path, str, int], int]] = {
    "write": write,
    "stream": stream,
    "by id": look_up,
    "index": index,
}


def measured(step: str, path: Path, format: str, count: int) -> dict[str, float]:
    """Run a step in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--step",
        step,
        "--path",
        str(path),
        "--formats",
        format,
        "--sizes",
        str(count),
    ]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed and memory of the dialogue store.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--formats", nargs="+", default=["jsonl", "jsonl.zst", "parquet"])
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        started = time.perf_counter()
        done = STEPS[given.step](given.path, given.formats[0], given.sizes[0])
        seconds = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"rate": done / seconds, "memory": memory}))
        return
    print(f"{'format':<10} {'dialogues':>10} {'disk':>9}  " + "  ".join(f"{step:>20}" for step in STEPS))
    with tempfile.TemporaryDirectory() as folder:
        for format in given.formats:
            for count in given.sizes:
                path = Path(folder) / f"{format}-{count}"
                cells = []
                for step in STEPS:
                    found = measured(step, path, format, count)
                    cells.append(f"{found['rate']:>9,.0f}/s {found['memory']:>5.0f} MiB")
                disk = sum(shard.stat().st_size for shard in path.glob("dialogues*")) / 2**20
                print(
                    f"{format:<10} {count:>10,} {disk:>5.0f} MiB  " + "  ".join(f"{cell:>20}" for cell in cells),
                    flush=True,
                )


if __name__ == "__main__":
    main()
