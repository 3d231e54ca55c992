"""Importers: one small module for each kind of source, and what they share."""

from ruxi.dialogues.importers.base import ImportContext, Importer, ImportOptions, ImportReport, Problem
from ruxi.dialogues.importers.run import import_dataset, load_importer

__all__ = [
    "ImportContext", "ImportOptions", "ImportReport", "Importer", "Problem", "import_dataset", "load_importer",
]  # fmt: skip
