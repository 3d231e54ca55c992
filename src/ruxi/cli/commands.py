"""The table of commands, in the order in which `ruxi --help` prints them."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add every command to the application.

    Modules of `ruxi.cli` import nothing heavy at their top; what a command needs is imported when it runs.
    """
    from ruxi.cli.card import card
    from ruxi.cli.chat import chat
    from ruxi.cli.compress import compress
    from ruxi.cli.data import data
    from ruxi.cli.data_quality import register as register_quality
    from ruxi.cli.doctor import doctor
    from ruxi.cli.eval import evaluate
    from ruxi.cli.pull import pull
    from ruxi.cli.reward import reward
    from ruxi.cli.train import train

    app.command("pull")(pull)
    app.command("doctor")(doctor)
    app.command("chat")(chat)
    app.add_typer(card)
    register_quality(data)
    app.add_typer(data)
    app.command("train")(train)
    app.command("eval")(evaluate)
    app.command("reward")(reward)
    app.command("compress")(compress)
