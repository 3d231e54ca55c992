"""Ruxi: characters that see, hear and stay in role.

The names below are the public Python interface; each is imported when it is first used, so that `import ruxi` is
quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ruxi.characters import Character
    from ruxi.dialogues import Dialogue, Part, Turn
    from ruxi.errors import RuxiError
    from ruxi.runtime import load
    from ruxi.scene import Reply, Scene

__version__ = "0.1.0"

_ROOM_OF = {
    "Character": "characters",
    "Dialogue": "dialogues",
    "Part": "dialogues",
    "Reply": "scene",
    "RuxiError": "errors",
    "Scene": "scene",
    "Turn": "dialogues",
    "load": "runtime",
}

__all__ = ["Character", "Dialogue", "Part", "Reply", "RuxiError", "Scene", "Turn", "load"]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'ruxi' has no attribute {name!r}")
    return getattr(import_module(f"ruxi.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
