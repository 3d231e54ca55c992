"""How fast replies are spoken: tokens a second after the first, and ratios to llama.cpp in the same run.

    python benchmarks/decode.py [--quick] [--only onnx,llama] [--data DIR] [--json]

All contenders speak greedily after the same text with the same weights and threads, in turns. "+ media" is Ruxi with
a picture and three seconds of speech fused (untrained parts with open gates); llama.cpp can only read text. With
`--data`, the folder of a data set of role-play, quality stands beside speed for the contenders that Ruxi can measure.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from rivals import Requests, Spoken, arguments, chosen, entries
from side_by_side import Missing, Worker, in_turns, ratios, show, spread, working

WORDS = "Captain, the clouds over the harbour look dark. What do we do now, and why?"
MEDIA = " + media"


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], repetitions=5)
    parser.add_argument("--reference", default="llama.cpp q4_0", help="what the others are compared with")
    parser.add_argument("--tokens", type=int, help="length of a reply; 96, or 32 with --quick")
    parser.add_argument("--persona", type=int, default=128, help="length of the persona in tokens")
    parser.add_argument("--data", type=Path, help="data set for the quality")
    parser.add_argument("--items", type=int, default=12, help="items of the data set")
    options = parser.parse_args()
    if options.prepare:
        with working(entries(options.work, options.threads), chosen(options.only)):
            return
    tokens = options.tokens or (32 if options.quick else 96)
    repetitions = min(3, options.repetitions) if options.quick else options.repetitions
    requests = Requests(options.clock)
    plain = requests.ask(WORDS, tokens, persona=options.persona)
    fused = requests.ask(WORDS, tokens, persona=options.persona, media=("image", "audio"))
    found: dict[str, list[Spoken]] = {}
    memory: dict[str, float] = {}
    quality: dict[str, dict[str, float]] = {}
    with working(entries(options.work, options.threads), chosen(options.only)) as workers:
        both: dict[str, Worker] = {}
        for name, worker in workers.items():
            both[name] = worker
            if name.startswith(("onnx ", "torch")):
                both[f"{name}{MEDIA}"] = worker

        def work(name: str, worker: Worker, repetition: int) -> Any:
            return worker.ask("speak", fused if name.endswith(MEDIA) else plain)

        found = in_turns(both, repetitions, work)
        for name in found:
            memory[name] = both[name].ask("peak_memory")
        if options.data is not None:
            for name in found:
                if name.startswith(("onnx ", "torch")) and not name.endswith(MEDIA):
                    try:
                        with tempfile.TemporaryDirectory() as folder:
                            quality[name] = workers[name].ask("quality", options.data, options.items, Path(folder))
                    except (Missing, KeyboardInterrupt) as reason:
                        print(f"no quality of {name}: {reason or 'stopped'}", file=sys.stderr)
    rates = {name: [one.rate for one in spoken] for name, spoken in found.items()}
    compared = ratios(rates, options.reference)
    rows = [
        {
            "contender": name,
            "tokens/s (min / median / max)": spread(values),
            f"over {options.reference}": compared.get(name),
            "peak memory, MiB": memory[name],
            **quality.get(name, {}),
        }
        for name, values in rates.items()
    ]
    show(rows, as_json=options.json)


if __name__ == "__main__":
    main()
