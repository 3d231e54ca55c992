"""A tiny recipe on dialogues of our own, and ways to kill a run of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruxi.characters import Character
from ruxi.dialogues import CastMember, Dialogue, Turn
from ruxi.dialogues.writer import DatasetWriter
from tests.tiny_models import save_llama


class Killed(BaseException):
    """Ends a run as abruptly as a signal would."""


def kill_at(**wanted: Any) -> Callable[[dict[str, Any]], None]:
    """Ends the run at the evaluation with these measures."""

    def kill(metrics: dict[str, Any]) -> None:
        if all(metrics.get(name) == value for name, value in wanted.items()):
            raise Killed

    return kill


def tiny_recipe(folder: Path, *, steps: int, evaluate_every: int, groups: int = 4, test: int = 0) -> dict[str, Any]:
    """A recipe of a few steps, with 12 dialogues to train and validate on and some of the test split."""
    save_llama(folder / "base")
    cast = [CastMember(name="Jo", kind="user"), CastMember(name="Mira", character="mira")]
    with DatasetWriter(folder / "set", name="chats", source="this test", licence="CC0-1.0") as writer:
        writer.add_character("mira", Character(name="Mira", description="A captain."))
        for n in range(12 + test):
            turns = [Turn.of_text("Jo", f"Hello {n}"), Turn.of_text("Mira", f"Ahoy, {'ahoy ' * (n % 4)}there.")]
            split = "train" if n < 9 else "validation" if n < 12 else "test"
            writer.add(Dialogue(id=str(n), group=f"campaign {n % groups}", cast=cast, turns=turns, split=split))
    return {
        "name": "tiny",
        "model": {"base": str(folder / "base"), "lora": {"rank": 4}},
        "data": [{"path": str(folder / "set")}],
        "sequence": {"length": 512},
        "optimiser": {"learning_rate": 0.01},
        "run": {
            "steps": steps,
            "evaluate_every": evaluate_every,
            "log_every": 1,
            "precision": "float32",
            "example_prompts": 0,
            "metric": "reply_nats",
        },
    }
