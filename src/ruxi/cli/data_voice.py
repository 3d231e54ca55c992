"""`ruxi data voice`: users who speak instead of writing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ruxi.cli.data import AsJson, counter, tell


def voice(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder of a data set.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the spoken data set.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of the dialogues that are spoken.")] = 1.0,
    longest: Annotated[int, typer.Option(min=1, help="Longest turn that is spoken, in characters.")] = 300,
    as_json: AsJson = False,
) -> None:
    """Let the voice that comes along speak the users' turns; their words become the sounds' transcripts."""
    from ruxi.dialogues.store import DialogueSet
    from ruxi.dialogues.voicing import Voicing
    from ruxi.scene.voice import PiperVoice

    source = DialogueSet.open(folder)
    piper = PiperVoice()
    with counter(f"voice {folder}", hidden=as_json) as count:
        report = Voicing(piper.speak, f"piper-{piper.name}", share=share, longest=longest).run(source, out, count)
    words = (
        f"{out}: {report.dialogues:,} dialogues, {report.voiced:,} of them spoken; "
        f"{report.turns:,} turns, {report.sounds:,} sounds, {report.seconds / 60:.1f} minutes"
    )
    tell(report, words, as_json=as_json)
