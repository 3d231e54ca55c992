"""Dialogues: the schema on disk, importers, checks, alignment and annotation."""

from ruxi.dialogues.schema import CastMember, Dialogue, Label, Part, Turn, Word

__all__ = ["CastMember", "Dialogue", "Label", "Part", "Turn", "Word"]
