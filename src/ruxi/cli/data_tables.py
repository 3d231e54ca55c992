"""The tables that `ruxi data` prints."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table

from ruxi.dialogues import DialogueSet
from ruxi.dialogues.stats import Histogram, Statistics

_MOST_ROWS = 12


def print_statistics(data: DialogueSet, found: Statistics) -> None:
    """Print what a data set holds."""
    console = Console(highlight=False, markup=False, emoji=False)
    info = data.info
    console.print(f"{info.name} ({info.source or 'source unknown'}; licence {info.licence or 'unknown'})")
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("dialogues", f"{found.dialogues:,}")
    if found.unreadable:
        table.add_row("unreadable lines", f"{found.unreadable:,}")
    table.add_row("turns", f"{found.turns:,}")
    table.add_row("turns in a dialogue", _lengths(found.turns_per_dialogue))
    table.add_row("characters in a turn", _lengths(found.turn_lengths))
    table.add_row("character cards", f"{found.characters:,}")
    table.add_row("media files", f"{found.media_files:,} ({found.media_bytes / 2**20:,.1f} MiB)")
    table.add_row("dialogues with media", _counts(found.with_media) or "0")
    if found.absent_media:
        table.add_row("media known but absent", f"{found.absent_media:,}")
    table.add_row("duplicated dialogues", f"{found.duplicates:,}")
    if found.held_out:
        table.add_row("held out for tests", f"{found.held_out:,}")
    console.print(table)
    for title, counts in (
        ("languages", found.languages),
        ("splits", found.splits),
        ("who speaks", found.kinds),
        ("speakers", found.speakers),
        ("emotions", found.emotions),
        ("the seven of MELD", found.basic_emotions),
        ("intents", found.intents),
    ):
        if counts:
            console.print(f"{title}: {_counts(counts)}", soft_wrap=True)


def _lengths(histogram: Histogram) -> str:
    return f"{histogram.mean:,.1f} on average, {histogram.longest:,} at most"


def _counts(counts: Counter[str]) -> str:
    shown = ", ".join(f"{name} {number:,}" for name, number in counts.most_common(_MOST_ROWS))
    more = len(counts) - _MOST_ROWS
    return f"{shown} and {more:,} more" if more > 0 else shown
