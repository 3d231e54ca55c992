"""How much several chats at once get done: tokens a second of all of them, over those of one chat.

    python benchmarks/concurrency.py [--quick] [--only onnx,llama] [--json]

Each chat has a turn of its own with the same character (128 tokens) and a reply of the same length; reading counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rivals
from rivals import Request, Requests, arguments, chosen
from side_by_side import Entry, Worker, in_turns, show, spread, working

CHATS = (1, 2, 4, 8)


def entries(work: Path, threads: int) -> dict[str, Entry]:
    fused = {"work": work, "kind": "cross_attention", "threads": threads}
    llama = {"work": work, "threads": threads, "chats": max(CHATS)}
    return {
        "onnx int4": Entry(rivals.build_onnx, {**fused, "precision": "int4"}),
        "onnx int8": Entry(rivals.build_onnx, {**fused, "precision": "int8"}),
        "torch bfloat16": Entry(rivals.build_torch, {**fused, "dtype": "bfloat16"}),
        "llama.cpp q4_0": Entry(rivals.LlamaCpp, {**llama, "kind": "q4_0"}),
        "llama.cpp q8_0": Entry(rivals.LlamaCpp, {**llama, "kind": "q8_0"}),
    }


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], repetitions=5)
    options = parser.parse_args()
    repetitions = min(3, options.repetitions) if options.quick else options.repetitions
    tokens = 16 if options.quick else 64
    asking = Requests(options.clock)

    def requests(count: int, repetition: int) -> list[Request]:
        return [
            asking.ask(
                f"This is chat {number} of round {repetition}. Tell me a story!", tokens, persona=128, reuse=True
            )
            for number in range(count)
        ]

    def work(name: str, worker: Worker, repetition: int) -> list[float]:
        return [worker.ask("speak_together", requests(count, repetition)) for count in CHATS]

    with working(entries(options.work, options.threads), chosen(options.only)) as workers:
        if options.prepare:
            return
        found: dict[str, list[Any]] = in_turns(workers, repetitions, work)
        rows = [
            {
                "contender": name,
                "chats": count,
                "tokens/s (min / median / max)": spread([rates[index] for rates in measured]),
                "over one chat": spread([rates[index] / rates[0] for rates in measured]),
                "peak memory, MiB": workers[name].ask("peak_memory"),
            }
            for name, measured in found.items()
            for index, count in enumerate(CHATS)
        ]
    show(rows, as_json=options.json)


if __name__ == "__main__":
    main()
