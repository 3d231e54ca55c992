"""`ruxi data align`: when each turn and word is spoken, by the sound itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruxi.cli.data import AsJson, counter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ruxi.dialogues import Word
    from ruxi.features import Extractor
    from ruxi.media import Audio


def align(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder of a data set with sounds or videos.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the aligned data set.")],
    extractor: Annotated[str, typer.Option(help="Extractor that hears words with their times.")] = "whisper-base",
    languages: Annotated[
        str, typer.Option(help="ISO 639-1 codes of what may be spoken, separated by commas; found out unless given.")
    ] = "",
    cut: Annotated[bool, typer.Option("--cut", help="Give each aligned turn its own piece of the recording.")] = False,
    pictures: Annotated[bool, typer.Option(help="Draw a picture of each recording's alignment.")] = True,
    longest: Annotated[float, typer.Option(min=1, help="Longest recording that is opened, in minutes.")] = 180,
    as_json: AsJson = False,
) -> None:
    """Find the times of turns and words, correct offset and drift, and mark what cannot be aligned."""
    from ruxi.dialogues.alignment import SetAligner
    from ruxi.dialogues.store import DialogueSet
    from ruxi.features import load_extractor
    from ruxi.media import Limits

    codes = [code.strip() for code in languages.split(",") if code.strip()]
    settings: dict[str, Any] = {"languages": codes} if codes else {}
    # An hour of sound at 16 kHz takes 230 MB of memory.
    limits = Limits(seconds=longest * 60, decoded_bytes=2**31, bytes=2**33, decode_seconds=3600)
    aligner = SetAligner(
        DialogueSet.open(folder), _Ear(load_extractor(extractor, **settings)), limits=limits, cut=cut, pictures=pictures
    )
    with counter(f"align {folder}", hidden=as_json) as count:
        report = aligner.run(out, count)
    if as_json:
        typer.echo(json.dumps(report.summary(), ensure_ascii=False))
    else:
        _print(report.summary(), out)


class _Ear:
    """An extractor as a transcriber; what it heard once is kept."""

    def __init__(self, extractor: Extractor) -> None:
        from ruxi.features import FeatureCache

        self._extractor = extractor
        self._cache = FeatureCache()
        self.name = extractor.name

    def words(self, sound: Audio) -> Sequence[Word]:
        return self._cache.extract(self._extractor, sound).words


def _print(summary: dict[str, Any], out: Path) -> None:
    turns = summary["turns"]
    typer.echo(
        f"{out}: {summary['dialogues']:,} dialogues; turns by their words {turns.get('words', 0):,},"
        f" by the clock {turns.get('clock', 0):,}, not aligned {turns.get('none', 0):,}"
    )
    for entry in summary["recordings"]:
        clock = (
            f"offset {entry['offset']:+.2f} s, drift {entry['drift'] * 100:+.3f} %"
            if "offset" in entry
            else "no clock: the text has no times, or too few agree"
        )
        where = f"; {out / entry['picture']}" if "picture" in entry else ""
        typer.echo(f"  {entry['media'][:12]} ({entry['seconds']:,} s): {clock}{where}")
    for problem in summary["problems"].values():
        typer.echo(f"  not used: {problem}")
