"""Import every data set of a folder and count what comes out; also writes the table of the documentation.

    python benchmarks/import_data_sets.py ../shared/data [--only mmrole meld] [--docs docs/reference/datasets.md]

The folder holds one folder for each data set, as `SETS` names them; those that are missing are left out.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
from collections import Counter
from pathlib import Path

from ruxi.dialogues.importers import ImportReport, import_dataset, load_importer

SETS: dict[str, str] = {
    "mmrole": "mmrole",
    "mmrole-bench": "mmrole",
    "wesnoth": "wesnoth",
    "renpy": "renpy",
    "freedroidrpg": "freedroidrpg",
    "meld": "meld",
    "topical-chat": "topical_chat",
    "cped": "cped",
    "persona-chat": "synthetic_persona_chat",
    "flickr8k": "flickr8k",
    "weather": "weather",
    "ravdess": "ravdess",
    "fer2013": "fer2013",
    "librispeech": "librispeech_sample",
}
"""Importer and folder of each data set."""

_HEAD = """# Data sets

What the importers make of the data sets that the project is developed and tested with. This page is written by
`python benchmarks/import_data_sets.py DATA --docs docs/reference/datasets.md`; how to import and what the options are
is in [Data](../how-to/data.md).

| importer | dialogues | turns | with media | media | characters | languages | splits | problems | records lost |
|---|---:|---:|---:|---:|---:|---|---|---|---:|
"""

_FOOT = """
`with media` counts dialogues that hold a picture, sound or video; `media` counts distinct files, so that the same
picture in many dialogues is one. Each problem is a line of the data set's `problems.jsonl` with file, line and remedy;
a problem need not cost a record: a dialogue whose picture is missing is kept without it.

## What each importer does
"""


def counted(counts: Counter[str]) -> str:
    return ", ".join(f"{number:,} {name or 'none'}" for name, number in sorted(counts.items()))


def row(name: str, report: ImportReport) -> str:
    cells = [
        f"`{name}`",
        f"{report.dialogues:,}",
        f"{report.turns:,}",
        f"{report.with_media:,}",
        f"{report.media:,}",
        f"{report.characters:,}",
        counted(report.languages),
        counted(report.splits),
        counted(report.problems) or "-",
        f"{report.lost:,}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Import every data set of a folder and count what comes out.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=SETS)
    parser.add_argument("--docs", type=Path, help="Write the table as a page of the documentation.")
    given = parser.parse_args()
    page, notes = _HEAD, _FOOT
    with tempfile.TemporaryDirectory() as folder:
        for name, source in SETS.items():
            if (given.only and name not in given.only) or not (given.data / source).is_dir():
                continue
            importer = load_importer(name)
            report = import_dataset(importer, given.data / source, Path(folder) / name)
            print(f"{row(name, report)} {report.dialogues / report.seconds:,.0f} dialogues/s", flush=True)
            page += row(name, report) + "\n"
            about = importlib.import_module(type(importer).__module__).__doc__ or ""
            notes += f"\n### `{name}`\n\n{about.strip()}\n\nLicence: {importer.licence or 'see each source'}.\n"
    if given.docs:
        given.docs.write_text(page + notes, encoding="utf-8")


if __name__ == "__main__":
    main()
