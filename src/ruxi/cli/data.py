"""`ruxi data`: bring dialogues in, look at them, split them, take them out."""

from __future__ import annotations

import typer

data = typer.Typer(
    name="data",
    help="Bring dialogues in, look at them, split them, take them out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
