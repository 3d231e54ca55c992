"""Lorebooks as data: the knowledge that a character carries, entry by entry."""

from __future__ import annotations

from pydantic import Field

from ruxi.characters.fields import CardRecord, Extensions, Flag, Identifier, Number, Text, Texts


class LorebookEntry(CardRecord):
    """A piece of knowledge that joins the prompt when one of its keys is mentioned.

    Attributes:
        keys: Words that bring the entry in.
        content: Text that joins the prompt.
        extensions: Data of other programs.
        enabled: False keeps it out.
        insertion_order: Lower comes earlier in the prompt.
        use_regex: The keys are regular expressions (V3).
        case_sensitive: Keys match only in their own case.
        constant: Always in, whatever is said.
        name: Its title; not used in prompts.
        priority: The lowest is dropped first when the budget is spent.
        id: Identifier; not used in prompts.
        comment: A note; not used in prompts.
        selective: Also needs one of `secondary_keys`.
        secondary_keys: See `selective`.
        position: `before_char` or `after_char`.
    """

    keys: Texts = Field(default_factory=list)
    content: Text = ""
    extensions: Extensions = Field(default_factory=dict)
    enabled: Flag = True
    insertion_order: Number = 0
    use_regex: Flag = False
    case_sensitive: Flag | None = None
    constant: Flag | None = None
    name: Text | None = None
    priority: Number | None = None
    id: Identifier | None = None
    comment: Text | None = None
    selective: Flag | None = None
    secondary_keys: Texts | None = None
    position: Text | None = None


class Lorebook(CardRecord):
    """The knowledge that a character carries with it (`character_book`).

    Attributes:
        entries: Its pieces.
        extensions: Data of other programs.
        name: Its title.
        description: What it is about.
        scan_depth: How many of the latest messages are searched for keys.
        token_budget: Most tokens that its entries may take.
        recursive_scanning: Entries may bring in further entries.
    """

    entries: list[LorebookEntry] = Field(default_factory=list)
    extensions: Extensions = Field(default_factory=dict)
    name: Text | None = None
    description: Text | None = None
    scan_depth: Number | None = None
    token_budget: Number | None = None
    recursive_scanning: Flag | None = None
