"""Speed and peak memory of importing and checking a data set, at two sizes.

    python benchmarks/data_check.py [--sizes 10000 1000000] [--out result.json]

The dialogues are synthetic: four turns of 4 to 26 words drawn at random, a thousandth of them a copy of another one
with its last turn changed. Import (from ShareGPT) and check run in processes of their own, whose peak resident memory
is read from the operating system. Memory is flat when it does not grow with the number of dialogues.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_SYLLABLES = [
    "ba",
    "den",
    "fi",
    "gor",
    "ha",
    "ilk",
    "jun",
    "ka",
    "lom",
    "mer",
    "nis",
    "o",
    "pra",
    "quel",
    "ri",
    "sta",
    "tu",
    "ven",
    "wil",
    "ya",
    "zo",
]
_COMMON = [
    "the",
    "a",
    "of",
    "to",
    "and",
    "in",
    "that",
    "it",
    "is",
    "was",
    "you",
    "he",
    "for",
    "on",
    "are",
    "with",
    "as",
    "his",
    "they",
    "at",
    "be",
    "this",
    "have",
    "from",
    "or",
    "one",
]
_IMPORT = """
import sys
from ruxi.dialogues.importers import import_dataset, load_importer
report = import_dataset(load_importer("sharegpt", {"language": "en"}), sys.argv[1], sys.argv[2])
print(report.dialogues)
"""
_CHECK = """
import json, sys
from ruxi.dialogues.checks import check
with check(sys.argv[2]) as report:
    print(json.dumps(report.counts), file=sys.stderr)
    print(report.records)
"""


def write_source(path: Path, count: int) -> None:
    draw = random.Random(count)
    rare = ["".join(draw.choices(_SYLLABLES, k=draw.randint(2, 4))) for _ in range(20_000)]
    kept: list[list[str]] = []
    with path.open("w") as file:
        for number in range(count):
            turns = [
                " ".join(
                    word
                    for pair in zip(draw.choices(_COMMON, k=n), draw.choices(rare, k=n), strict=True)
                    for word in pair
                )
                for n in draw.choices(range(2, 14), k=4)
            ]
            if kept and number % 1000 == 500:
                turns = [*draw.choice(kept)[:3], turns[3][:20]]
            elif number % 1000 == 0 and len(kept) < 1000:
                kept.append(turns)
            roles = ("human", "gpt") * 2
            said = [{"from": role, "value": turn} for role, turn in zip(roles, turns, strict=True)]
            file.write(json.dumps({"id": f"d{number}", "conversations": said}) + "\n")


def measure(program: str, *arguments: Path) -> dict[str, float | str]:
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit("the run failed")
    seconds = time.monotonic() - began
    return {
        "dialogues": int(output),
        "seconds": round(seconds, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "dialogues_per_second": round(int(output) / seconds),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    results = []
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_source(folder / "source.jsonl", size)
            for step, program in (("import", _IMPORT), ("check", _CHECK)):
                result = {"step": step} | measure(program, folder / "source.jsonl", folder / "set")
                print(json.dumps(result), flush=True)
                results.append(result)
    if arguments.out:
        arguments.out.write_text(json.dumps({"command": sys.argv, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
