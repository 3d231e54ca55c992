"""Write `docs/reference/cli.md`: the help text of every command, as plain text.

    python tools/cli_reference.py [--check]

The text is laid out for a fixed width and without colours, so that it is the same on every machine. `--check` writes
nothing and fails when the page is stale.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from ruxi.cli import app
from ruxi.cli.commands import register
from ruxi.files import write_text

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "cli.md"
WIDTH = 100

_HEAD = """# Command line

Every command takes `-h` or `--help`, ends with 0 on success, 1 on failure and 2 on wrong usage. This page is what the
commands print, written by `python tools/cli_reference.py`.
"""


def sections(command: Any, name: str, parent: Any = None) -> Iterator[str]:
    """The help of a command and of the commands below it, each under a heading of its own."""
    layout = {"terminal_width": WIDTH, "max_content_width": WIDTH, "color": False}
    context = command.context_class(command, info_name=name, parent=parent, **command.context_settings, **layout)
    text = "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
    yield f"## {context.command_path}\n\n```text\n{text}\n```\n"
    for child_name, child in getattr(command, "commands", {}).items():
        yield from sections(child, child_name, context)


def page() -> str:
    """The whole page."""
    app.rich_markup_mode = None  # click's own layout: no boxes, no terminal
    register(app)
    command = typer.main.get_command(app)
    return "\n".join([_HEAD, *sections(command, "ruxi")])


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is stale")
    text = page()
    if not parser.parse_args().check:
        write_text(PAGE, text)
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.name}: not what the commands print. Run `python tools/cli_reference.py`.")


if __name__ == "__main__":
    main()
