"""Character cards V1, V2 and V3, the macros in their texts, and the characters that come with Ruxi."""

from ruxi.characters.card import Asset, Character
from ruxi.characters.library import builtin_names
from ruxi.characters.lorebook import Lorebook, LorebookEntry

__all__ = ["Asset", "Character", "Lorebook", "LorebookEntry", "builtin_names"]
