"""SillyTavern chats: one `.jsonl` file for each dialogue, with its media and the character cards.

What a message has no field for stands in its `extra`, which SillyTavern keeps for extensions, under `ruxi`; a round
trip loses nothing, and words edited in between win.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from pydantic_core import to_json

from ruxi import files
from ruxi.dialogues.exporters.base import Exporter, ExportReport, medium_of
from ruxi.dialogues.exporters.sides import RoleOptions, assistant_of
from ruxi.dialogues.schema import Dialogue, Turn
from ruxi.dialogues.store import DialogueSet
from ruxi.files import sha256_of_bytes

_DATE = "2000-01-01T00:00:00.000Z"
"""SillyTavern wants a date; the data have none, and a made-up one should look made up."""


class SillyTavernExporter(Exporter):
    """Writes SillyTavern chats."""

    name = "sillytavern"
    summary = "SillyTavern chats (.jsonl) with media and cards"
    holds: ClassVar[frozenset[str]] = frozenset({"*"})
    Options = RoleOptions
    options: RoleOptions

    def write(self, data: DialogueSet, out: Path, report: ExportReport, progress: Callable[[int], None]) -> None:
        """Write `chats/CHARACTER/DIALOGUE.jsonl`, `media/` and `characters/`."""
        for dialogue in self.dialogues(data, report, progress):
            assistant = assistant_of(dialogue, self.options.character) or "Assistant"
            lines = [
                self._header(dialogue, assistant),
                *(self._message(turn, dialogue, data, out, report) for turn in dialogue.turns),
            ]
            path = out / "chats" / _file_name(assistant) / f"{_file_name(dialogue.id)}.jsonl"
            files.write_bytes(path, b"\n".join(map(to_json, lines)) + b"\n")
        for identifier in data.character_ids():
            source = data.path / "characters" / f"{identifier}.json"
            files.write_bytes(out / "characters" / source.name, source.read_bytes())

    def _header(self, dialogue: Dialogue, assistant: str) -> dict[str, Any]:
        user = next((member.name for member in dialogue.cast if member.kind == "user"), "User")
        whole = dialogue.model_dump(exclude={"turns"}, exclude_defaults=True, exclude_none=True, mode="json")
        return {
            "user_name": user,
            "character_name": assistant,
            "create_date": _DATE,
            "chat_metadata": {"ruxi": {**whole, "id": dialogue.id}},
        }

    def _message(
        self, turn: Turn, dialogue: Dialogue, data: DialogueSet, out: Path, report: ExportReport
    ) -> dict[str, Any]:
        kind = next((member.kind for member in dialogue.cast if member.name == turn.speaker), "user")
        media = []
        for part in turn.parts:
            if part.kind == "text" or (medium := medium_of(part, data, report)) is None:
                continue
            source = data.media.path(part.media or "")
            target = out / "media" / source.name
            if not target.exists():
                files.write_bytes(target, medium)
            media.append({"type": part.kind, "url": f"media/{source.name}"})
        kept = turn.model_dump(exclude_defaults=True, exclude_none=True, mode="json")
        extra: dict[str, Any] = {"ruxi": {**kept, "speaker": turn.speaker}}
        if media:
            extra["media"] = media
        return {
            "name": turn.speaker,
            "is_user": kind == "user",
            "is_system": kind == "narrator",
            "send_date": _DATE,
            "mes": turn.text,
            "extra": extra,
        }


def _file_name(name: str) -> str:
    """A name that two different ids never share and that leads nowhere else."""
    plain = re.sub(r"[^\w .()-]", "_", name).strip(" ._")[:80]
    return plain if plain == name else f"{plain} {sha256_of_bytes(name.encode('utf-8', 'replace'))[:8]}".strip()
