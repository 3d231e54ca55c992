"""The statistics of a data set as pictures, one PNG file each."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruxi import files
from ruxi.dialogues.stats import Statistics
from ruxi.errors import DataError

_log = logging.getLogger("ruxi")
_MOST_BARS = 28
_BLUE, _GREY = "#3b6ea5", "#9aa5b1"
_FONTS = [
    "DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "WenQuanYi Zen Hei", "Microsoft YaHei",
    "PingFang SC", "SimHei", "Arial Unicode MS",
]  # fmt: skip


def plot(found: Statistics, folder: Path, title: str) -> list[Path]:
    """Draw turn lengths, dialogue lengths, speakers, emotions, intents, languages, media, splits and duplicates.

    Args:
        found: From `ruxi.dialogues.stats.statistics`.
        folder: Where the files go; it is made if needed.
        title: Name of the data set.

    Returns:
        The files; what a data set does not have is not drawn.

    Raises:
        DataError: matplotlib is not installed.
    """
    duplicates = [("distinct", found.dialogues - found.duplicates), ("duplicates", found.duplicates)]
    charts: list[tuple[str, str, Sequence[tuple[str, int]], bool]] = [
        ("turn_lengths", "Characters in a turn", found.turn_lengths.rows(), False),
        ("turns_per_dialogue", "Turns in a dialogue", found.turns_per_dialogue.rows(), False),
        ("speakers", "Turns by speaker", found.speakers.most_common(_MOST_BARS), True),
        ("emotions", "Turns by emotion", found.emotions.most_common(), True),
        ("intents", "Turns by intent", found.intents.most_common(), True),
        ("languages", "Dialogues by language", found.languages.most_common(_MOST_BARS), True),
        ("media", "Dialogues with media", found.with_media.most_common(), True),
        ("splits", "Dialogues by split", found.splits.most_common(), True),
        ("duplicates", "Duplicated dialogues", duplicates, True),
    ]
    written = []
    for name, heading, rows, lying in charts:
        if rows and any(count for _, count in rows):
            path = folder / f"{name}.png"
            files.write_bytes(path, _drawn(f"{title}: {heading}", rows, lying=lying))
            written.append(path)
    return written


def _drawn(title: str, rows: Sequence[tuple[str, int]], *, lying: bool) -> bytes:
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        remedy = "Install it with: pip install 'ruxi[data]'"
        raise DataError("the package 'matplotlib' is not installed", remedy=remedy) from None
    # Fonts of the list that a machine lacks are no fault of the user's.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    with rc_context({"font.family": _FONTS}), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure = Figure(figsize=(8, max(3.0, 0.32 * len(rows) + 1.2) if lying else 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes: Any = figure.add_subplot()
        labels = [label if len(label) <= 40 else f"{label[:39]}…" for label, _ in rows]
        counts = [count for _, count in rows]
        places = range(len(rows))
        if lying:
            bars = axes.barh(places, counts, color=_BLUE)
            axes.set_yticks(places, labels)
            axes.invert_yaxis()
            axes.bar_label(bars, labels=[f"{count:,}" for count in counts], padding=3, color=_GREY)
            axes.margins(x=0.12)
        else:
            axes.bar(places, counts, color=_BLUE)
            axes.set_xticks(places, labels, rotation=45, ha="right")
        axes.set_title(title)
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110)
    if any("Glyph" in str(warning.message) for warning in caught):
        _log.warning("%s: no font here has all signs; install one for the language, such as Noto Sans CJK.", title)
    return buffer.getvalue()
