"""Alignment: when each turn and word is spoken, and how far the text's times are off."""

from ruxi.dialogues.alignment.align import Aligned, Alignment, Line, align_lines
from ruxi.dialogues.alignment.clock import Clock, fit_clock
from ruxi.dialogues.alignment.run import AlignmentReport, SetAligner
from ruxi.dialogues.alignment.settle import settle_words
from ruxi.dialogues.alignment.transcript import Transcriber

__all__ = [
    "Aligned", "Alignment", "AlignmentReport", "Clock", "Line", "SetAligner", "Transcriber", "align_lines", "fit_clock",
    "settle_words",
]  # fmt: skip
