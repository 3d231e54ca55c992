"""Built-ins and other people's parts come in by the same door: Python entry points.

A group is `ruxi.KIND` (`ruxi.extractors`, `ruxi.importers`, `ruxi.engines`, `ruxi.tasks`); an entry's name is what
the user types, its value the object to load.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from typing import Any

from ruxi.errors import UsageError


def names(kind: str) -> list[str]:
    """The names registered for one kind, sorted.

    Args:
        kind: The part after `ruxi.` in the entry-point group, for example `"importers"`.
    """
    return sorted({entry.name for entry in entry_points(group=f"ruxi.{kind}")})


def load(kind: str, name: str) -> Any:
    """Import what is registered under a name; a built-in's name is its own, whoever else registers it.

    Raises:
        UsageError: Nothing is registered under that name; the message lists what is.
    """
    group = f"ruxi.{kind}"
    found: list[EntryPoint] = []
    with suppress(PackageNotFoundError):  # reads one file, where looking into all packages reads one of each
        found = [entry for entry in distribution("ruxi").entry_points if (entry.group, entry.name) == (group, name)]
    found = found or list(entry_points(group=group, name=name))
    if not found:
        raise UsageError(
            f"no {kind.rstrip('s')} is called {name!r}", remedy=f"Known: {', '.join(names(kind)) or 'none'}."
        )
    return found[0].load()
