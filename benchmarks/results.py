"""Everything in `docs/results.md`, from the sources of the data to the page.

    python benchmarks/results.py SOURCES WORK --model smollm2-135m-instruct --model ruxi-mini > docs/results.md

SOURCES is the folder of the public data sets, WORK takes the imported sets and the result folders; what is there
already is used again, and a stopped run goes on. The first model is what the others are compared with. Limits keep one
model under two hours on two cores; the items that they draw depend on the seed alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

SETS = {
    "mmrole": "mmrole", "mmrole-bench": "mmrole", "mmrole-reviews": "mmrole", "meld": "meld", "ravdess": "ravdess",
    "fer2013": "fer2013", "flickr8k": "flickr8k", "weather": "weather", "cped": "cped",
    "persona-chat": "synthetic_persona_chat",
}  # fmt: skip
"""Source folder of each importer."""

TASKS = {
    "reply_likelihood@mmrole-bench": {},
    "next_reply@mmrole-bench": {},
    "next_reply_same_role@mmrole-bench": {"pool": "{sets}/mmrole"},
    "media_gain@mmrole-bench": {},
    "caption@flickr8k": {"items": 200},
    "weather@weather": {},
    "emotion_text@meld": {"items": 1000},
    "emotion_voice@ravdess": {},
    "emotion_face@fer2013": {"items": 350},
    "intent@cped": {"items": 300},
    "persona@persona-chat": {"items": 300},
    "drift@mmrole": {"items": 300, "languages": "[en]"},
    "speaker_identification@mmrole-bench": {"items": 100, "pool": "{sets}/mmrole"},
    "guards@mmrole-bench": {"items": 100},
    "reward@mmrole-bench": {"items": 100},
    "latency@mmrole-bench": {"items": 100},
}
"""Every task with its options."""


def ruxi(*arguments: str) -> str:
    """Run a command of Ruxi; its progress goes to the standard error."""
    command = [sys.executable, "-c", "from ruxi.cli import main; main()", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--model", action="append", default=[], help="to be repeated")
    parser.add_argument("--also", action="append", default=[], help="further result folders for the page")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--only", help="these tasks alone, separated by commas")
    arguments = parser.parse_args()
    sets = arguments.work / "sets"
    for name, source in SETS.items():
        if not (sets / name).is_dir():
            print(ruxi("data", "import", name, str(arguments.sources / source), str(sets / name)), file=sys.stderr)
    tasks = {
        label: options for label, options in TASKS.items() if not arguments.only or label in arguments.only.split(",")
    }
    settings = []
    for label, options in tasks.items():
        for key, value in options.items():
            settings += ["--set", f"{label.partition('@')[0]}.{key}={str(value).format(sets=sets)}"]
    folders = []
    for model in arguments.model:
        folder = arguments.work / "eval" / Path(model).name
        command = ["eval", model, "--tasks", ",".join(tasks), "--data", str(sets), "--out", str(folder)]
        ruxi(*command, "--threads", arguments.threads, "--seeds", arguments.seeds, *settings)
        folders.append(folder)
    tables = [word for folder in (*folders, *map(Path, arguments.also)) for word in ("--table", str(folder))]
    print(ruxi("eval", *tables), end="")


if __name__ == "__main__":
    main()
