"""Dialogues: the schema on disk, importers, checks, alignment and annotation."""

from ruxi.dialogues.schema import CastMember, Dialogue, Label, Part, Turn, Word
from ruxi.dialogues.store import DatasetInfo, DialogueSet, StoredRecord
from ruxi.dialogues.writer import DatasetWriter

__all__ = [
    "CastMember", "DatasetInfo", "DatasetWriter", "Dialogue", "DialogueSet", "Label", "Part", "StoredRecord",
    "Turn", "Word",
]  # fmt: skip
