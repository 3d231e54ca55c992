"""Everything in `docs/results.md`, from the sources of the data to the page.

    python benchmarks/results.py SOURCES WORK --model base=smollm2-135m-instruct --model ruxi-mini > docs/results.md

SOURCES is the folder of the public data sets, WORK takes the imported sets and the result folders; what is there
already is used again, and a stopped run goes on. MODEL is what `ruxi eval` takes; the others are compared with the
first one. `--ablation NAME=MODEL` puts variants into a table of their own, `--also DIR` adds folders of other
evaluations. The items of a preset depend on the seed alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SETS = {
    "mmrole": "mmrole", "mmrole-bench": "mmrole", "meld": "meld", "ravdess": "ravdess", "fer2013": "fer2013",
    "flickr8k": "flickr8k", "weather": "weather", "cped": "cped", "persona-chat": "synthetic_persona_chat",
}  # fmt: skip
"""Source folder of each importer."""


def ruxi(*arguments: str) -> str:
    """Run a command of Ruxi; its progress goes to the standard error."""
    command = [sys.executable, "-c", "from ruxi.cli import main; main()", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def named(models: Sequence[str]) -> dict[str, str]:
    """Models by name, `NAME=MODEL` or the last piece of what `ruxi eval` takes."""
    found = {}
    for model in models:
        name, equals, value = model.partition("=")
        found[name if equals else Path(model).name] = value if equals else model
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--model", action="append", default=[], metavar="[NAME=]MODEL", help="to be repeated")
    parser.add_argument("--ablation", action="append", default=[], metavar="[NAME=]MODEL", help="to be repeated")
    parser.add_argument("--also", action="append", default=[], metavar="[NAME=]DIR", help="further result folders")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--tasks", help="only these tasks of the preset, separated by commas")
    parser.add_argument("--jobs", type=int, default=2, help="models that are measured at the same time")
    parser.add_argument("--threads", default="1", help="for each of them")
    parser.add_argument("--seeds", default="1")
    arguments = parser.parse_args()
    sets = arguments.work / "sets"
    for name, source in SETS.items():
        if not (sets / name).is_dir():
            print(ruxi("data", "import", name, str(arguments.sources / source), str(sets / name)), file=sys.stderr)
    folder = arguments.work / "eval"
    models, ablation = named(arguments.model), named(arguments.ablation)
    asked = models | ablation
    if twice := [name for name in models if name in ablation and models[name] != ablation[name]]:
        parser.error(f"two models are called {twice[0]}")

    def measure(name: str) -> None:
        command = ["eval", asked[name], "--preset", arguments.preset, "--data", str(sets), "--out", str(folder / name)]
        only = ["--tasks", arguments.tasks] if arguments.tasks else []
        ruxi(*command, *only, "--threads", arguments.threads, "--seeds", arguments.seeds)

    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(measure, asked))
    tables = [word for name in models for word in ("--table", f"{name}={folder / name}")]
    tables += [word for name in ablation for word in ("--ablation", f"{name}={folder / name}")]
    tables += [word for also in arguments.also for word in ("--table", also)]
    print(ruxi("eval", *tables), end="")


if __name__ == "__main__":
    main()
