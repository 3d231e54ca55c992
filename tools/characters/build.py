"""Build the characters that come with Ruxi: draw each portrait and put the card of its YAML file into it.

    python tools/characters/build.py [NAME]...       # all three by default; about a minute

Writes src/ruxi/characters/builtin/NAME.png. `--texts` keeps the portraits that are there and renews the cards alone.
"""

from __future__ import annotations

import argparse
import importlib
import io
from pathlib import Path

import yaml

from ruxi.characters import Character

SOURCES = Path(__file__).parent
BUILTIN = SOURCES.parents[1] / "src" / "ruxi" / "characters" / "builtin"
NAMES = ("aldo", "hana", "mira")
_CREATED = 1_764_547_200


def character(name: str) -> Character:
    """The card of one YAML file, without its portrait."""
    fields = yaml.safe_load((SOURCES / f"{name}.yaml").read_text("utf-8"))
    ours = {"language": fields.pop("language"), "translations": fields.pop("translations")}
    for texts in (fields, *ours["translations"].values()):
        for order, entry in enumerate(texts["character_book"]["entries"]):
            entry.update(enabled=True, insertion_order=order * 10, use_regex=False, extensions={}, id=order)
        texts["character_book"]["extensions"] = {}
    return Character.model_validate(
        {
            **fields,
            "creator": "The Ruxi team",
            "character_version": "1.0",
            "creator_notes_multilingual": {
                ours["language"]: fields["creator_notes"],
                **{code: texts["creator_notes"] for code, texts in ours["translations"].items()},
            },
            "group_only_greetings": [],
            "creation_date": _CREATED,
            "modification_date": _CREATED,
            "extensions": {"ruxi": ours},
        }
    )


def portrait(name: str) -> bytes:
    """The drawn portrait as a PNG file."""
    picture = io.BytesIO()
    importlib.import_module(f"portrait_{name}").draw().finished().save(picture, "PNG", optimize=True)
    return picture.getvalue()


def main() -> None:
    """Build the characters named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all by default")
    parser.add_argument("--texts", action="store_true", help="keep the portraits, renew the cards alone")
    arguments = parser.parse_args()
    for name in arguments.names or NAMES:
        built = character(name)
        path = BUILTIN / f"{name}.png"
        built.portrait = Character.load(path).portrait if arguments.texts else portrait(name)
        built.save(path)
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
