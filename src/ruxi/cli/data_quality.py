"""The commands of `ruxi data` that make a data set better, and those that make another one of it or of a model."""

from __future__ import annotations

import typer


def register(data: typer.Typer) -> None:
    """Add the commands to `ruxi data`."""
    from ruxi.cli.data_align import align
    from ruxi.cli.data_annotate import annotate
    from ruxi.cli.data_check import check
    from ruxi.cli.data_crowd import crowd
    from ruxi.cli.data_distil import distil
    from ruxi.cli.data_rehearse import rehearse
    from ruxi.cli.data_voice import voice

    data.command("check")(check)
    data.command("align")(align)
    data.command("annotate")(annotate)
    data.add_typer(crowd)
    data.command("voice")(voice)
    data.command("distil")(distil)
    data.command("rehearse")(rehearse)
