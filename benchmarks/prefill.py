"""How long the first token takes: cached personas, new pictures, and two ways to fuse many pictures.

    python benchmarks/prefill.py [--quick] [--only onnx] [--tables persona,picture,pictures] [--json]

- persona: a persona of 512 tokens that was read before, against one that was not.
- picture: a turn with a new photograph against the same words alone, as a user feels it: decoding and looking included.
- pictures: cross-attention against media tokens before the text of their turn (prefix), with 1, 4 and 16 pictures in
  the dialogue, all new: time to the first token, tokens a second after it, and memory.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rivals
from rivals import Requests, Ruxi, arguments, chosen
from side_by_side import Entry, Worker, in_turns, show, spread, working

TABLES = ("persona", "picture", "pictures")
PERSONA = 512
COUNTS = (0, 1, 4, 16)
WORDS = ("Captain, where do we fly to next?", "What does the crew say about that?", "Look at this. What is it?")


class Stage(Ruxi):
    """An engine with a whole scene around it."""

    def first_token(self, words: str, picture: bytes | None, clock: str) -> float:
        """Seconds from a user's turn to the first token of the answer, in a chat whose persona was read before."""
        from ruxi.characters import Character
        from ruxi.features import FeatureCache
        from ruxi.runtime import Sampling
        from ruxi.scene import Scene

        with tempfile.TemporaryDirectory() as folder:
            sampling = Sampling(max_tokens=1, top_k=1, logit_bias=self._never)
            scene = Scene(Character.load("mira"), self.engine, cache=FeatureCache(Path(folder)), sampling=sampling)
            scene.greet()
            began = rivals.now(clock)
            scene.say(words, image=picture)
            return rivals.now(clock) - began


def build_stage(**options: Any) -> Stage:
    build = rivals.build_onnx if "precision" in options else rivals.build_torch
    return Stage(build(**options).engine)


def photograph(number: int) -> bytes:
    """A JPEG of 640 x 480 that nobody has seen."""
    import PIL.Image

    rough = np.random.default_rng(number).integers(0, 255, size=(12, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(rough).resize((640, 480), PIL.Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def persona_table(workers: dict[str, Worker], repetitions: int, clock: str) -> list[dict[str, Any]]:
    requests = Requests(clock)

    def work(name: str, worker: Worker, repetition: int) -> tuple[float, float]:
        asked = [
            requests.ask(words, 1, persona=PERSONA, marker=f"Story {name} {repetition}.", reuse=True)
            for words in WORDS[:2]
        ]
        new, cached = (worker.ask("speak", request).first for request in asked)
        return new, cached

    return [
        {
            "contender": name,
            "not cached, ms": spread([1000 * new for new, _ in found]),
            "cached, ms": spread([1000 * cached for _, cached in found]),
            "cached / not cached": spread([cached / new for new, cached in found]),
        }
        for name, found in in_turns(workers, repetitions, work).items()
    ]


def picture_table(workers: dict[str, Worker], repetitions: int, clock: str) -> list[dict[str, Any]]:
    def work(name: str, worker: Worker, repetition: int) -> tuple[float, float]:
        # Each repetition has words of its own, or the second turn would find the first one read.
        words = f"{WORDS[2]} ({repetition})"
        alone = worker.ask("first_token", f"{words} Nothing?", None, clock)
        return alone, worker.ask("first_token", words, photograph(repetition + 1), clock)

    return [
        {
            "contender": name,
            "words alone, ms": spread([1000 * words for words, _ in found]),
            "with a new picture, ms": spread([1000 * picture for _, picture in found]),
            "more, ms": spread([1000 * (picture - words) for words, picture in found]),
        }
        for name, found in in_turns(workers, repetitions, work).items()
    ]


def pictures_table(workers: dict[str, Worker], repetitions: int, tokens: int, clock: str) -> list[dict[str, Any]]:
    requests = Requests(clock)
    rows = []
    # In ascending order, so that the peak belongs to the count.
    for count in COUNTS:

        def work(name: str, worker: Worker, repetition: int, count: int = count) -> Any:
            return worker.ask("speak", requests.ask(WORDS[0], tokens, pictures=count, marker=f"({repetition})"))

        for name, found in in_turns(workers, repetitions, work).items():
            rows.append(
                {
                    "pictures": count,
                    "contender": name,
                    "first token, ms": spread([1000 * one.first for one in found]),
                    "tokens/s": spread([one.rate for one in found]),
                    "peak memory, MiB": workers[name].ask("peak_memory"),
                }
            )
    return sorted(rows, key=lambda row: (row["contender"], row["pictures"]))


def entries(work: Path, threads: int) -> dict[str, Entry]:
    found = {}
    for kind in ("cross_attention", "prefix"):
        for precision in ("int4", "fp32"):
            options = {"work": work, "kind": kind, "threads": threads, "precision": precision}
            found[f"onnx {precision} {kind}"] = Entry(build_stage, options)
        found[f"torch bfloat16 {kind}"] = Entry(
            build_stage, {"work": work, "kind": kind, "threads": threads, "dtype": "bfloat16"}
        )
    found["llama.cpp q4_0"] = Entry(rivals.LlamaCpp, {"work": work, "kind": "q4_0", "threads": threads})
    return found


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], repetitions=5)
    parser.add_argument("--tables", default=",".join(TABLES), help="which tables, separated by commas")
    options = parser.parse_args()
    repetitions = min(3, options.repetitions) if options.quick else options.repetitions
    wanted = chosen(options.tables)
    with working(entries(options.work, options.threads), chosen(options.only)) as workers:
        if options.prepare:
            return
        ours = {name: worker for name, worker in workers.items() if not name.startswith("llama")}
        fusing = {name: worker for name, worker in ours.items() if name.endswith("cross_attention")}
        if "persona" in wanted:
            prefixless = {name: worker for name, worker in workers.items() if not name.endswith("prefix")}
            show(persona_table(prefixless, repetitions, options.clock), as_json=options.json)
            print()
        if "picture" in wanted:
            show(picture_table(fusing, repetitions, options.clock), as_json=options.json)
            print()
        if "pictures" in wanted:
            show(pictures_table(ours, repetitions, 16 if options.quick else 48, options.clock), as_json=options.json)


if __name__ == "__main__":
    main()
