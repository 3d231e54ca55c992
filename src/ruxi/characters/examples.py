"""Example dialogues: the turns in a card's `mes_example`.

Authors write them as lines `{{user}}: …` and `{{char}}: …`, in blocks that each begin with `<START>`. A line
without a speaker goes on with the turn before it; at the start of a block it is the character's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ruxi.characters.macros import expand

Turn = tuple[str, str]
_START = re.compile(r"<start>", re.IGNORECASE)


def parse_examples(text: str, *, char: str, user: str, names: Iterable[str] = ()) -> list[list[Turn]]:
    """Split example dialogues into turns, with their macros replaced.

    Args:
        text: A card's `mes_example`.
        char: What the character is called.
        user: What the user is called.
        names: Further names that the examples use for the character.

    Returns:
        For each block its turns as (speaker, words); the speaker is `char` or `user`. Empty turns are left
        out.
    """
    label = re.compile(
        rf"[ \t]*(?:(?P<char>\{{\{{\s*char\s*\}}\}}|<bot>|{_any_of((char, *names))})"
        rf"|\{{\{{\s*user\s*\}}\}}|<user>|{_any_of((user,))})[ \t]*[:：]",
        re.IGNORECASE,
    )
    blocks = []
    for block in _START.split(text.replace("\r\n", "\n")):
        turns: list[tuple[str, list[str]]] = []
        for line in block.strip().split("\n"):
            match = label.match(line)
            if match is not None:
                turns.append((char if match["char"] else user, [line[match.end() :]]))
            elif turns:
                turns[-1][1].append(line)
            else:
                turns.append((char, [line]))
        spoken = [(name, expand("\n".join(lines), char=char, user=user).strip()) for name, lines in turns]
        kept = [turn for turn in spoken if turn[1]]
        if kept:
            blocks.append(kept)
    return blocks


def _any_of(names: Iterable[str]) -> str:
    """A pattern for any of these names, the longest first; one that never matches if there is none."""
    escaped = [re.escape(name) for name in sorted(set(names), key=len, reverse=True) if name.strip()]
    return "|".join(escaped) or r"(?!)"
