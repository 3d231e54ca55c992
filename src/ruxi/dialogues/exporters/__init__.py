"""Exporters: one small module for each target, and what they share."""

from ruxi.dialogues.exporters.base import Exporter, ExportOptions, ExportReport
from ruxi.dialogues.exporters.run import export_dataset, load_exporter

__all__ = ["ExportOptions", "ExportReport", "Exporter", "export_dataset", "load_exporter"]
