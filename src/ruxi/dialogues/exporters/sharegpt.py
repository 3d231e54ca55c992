"""ShareGPT as LLaMA-Factory reads it: JSON with `conversations`, `system`, `images`, `videos` and `audios`.

One file a split, with `dataset_info.json` for LLaMA-Factory and the media beside them. It wants `human` and `gpt` by
turns, beginning with `human`: turns of one side that follow each other are joined, and an opening by the character
answers an empty turn; both are counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from pydantic_core import to_json

from ruxi import files
from ruxi.dialogues.exporters.base import Exporter, ExportReport, medium_of, split_name
from ruxi.dialogues.exporters.sides import RoleOptions, assistant_of, system_message
from ruxi.dialogues.schema import Dialogue, Turn
from ruxi.dialogues.store import DialogueSet

_PLACEHOLDER = re.compile(r"<(image|video|audio)>")
_MEDIA = ("images", "videos", "audios")


class ShareGptExporter(Exporter):
    """Writes ShareGPT."""

    name = "sharegpt"
    summary = "ShareGPT with images, videos and audios (LLaMA-Factory)"
    holds: ClassVar[frozenset[str]] = frozenset(
        {
            "dialogue.cast", "dialogue.id", "dialogue.scene", "dialogue.split", "dialogue.turns", "cast.character",
            "cast.kind", "cast.name", "turn.parts", "turn.speaker", "part.kind", "part.media", "text.text",
        }
    )  # fmt: skip
    Options = RoleOptions
    options: RoleOptions

    def write(self, data: DialogueSet, out: Path, report: ExportReport, progress: Callable[[int], None]) -> None:
        """Write a JSON file for each split, the media, and `dataset_info.json`."""
        with ExitStack() as stack:
            opened: dict[str, BinaryIO] = {}
            for dialogue in self.dialogues(data, report, progress):
                name = split_name(dialogue)
                separator = b",\n"
                if name not in opened:
                    opened[name] = stack.enter_context(files.writing(out / f"{name}.json"))
                    separator = b"[\n"
                opened[name].write(separator + to_json(self._record(dialogue, data, out, report)))
            for file in opened.values():
                file.write(b"\n]\n")
        columns = {"messages": "conversations", "system": "system"} | {name: name for name in _MEDIA}
        info = {
            f"{data.info.name}_{name}": {"file_name": f"{name}.json", "formatting": "sharegpt", "columns": columns}
            for name in sorted(opened)
        }
        files.write_text(out / "dataset_info.json", json.dumps(info, ensure_ascii=False, indent=2) + "\n")

    def _record(self, dialogue: Dialogue, data: DialogueSet, out: Path, report: ExportReport) -> dict[str, Any]:
        assistant = assistant_of(dialogue, self.options.character)
        media: dict[str, list[str]] = {name: [] for name in _MEDIA}
        conversations: list[dict[str, str]] = []
        people = {turn.speaker for turn in dialogue.turns} - {assistant}
        for turn in dialogue.turns:
            side = "gpt" if turn.speaker == assistant else "human"
            value = "\n".join(self._pieces(turn, data, out, media, report))
            if turn.speaker not in ("User", "Assistant"):
                report.lost["name of a speaker"] += 1
            if len(people) > 1 and side == "human":
                report.lost["which of several people speaks"] += 1
            if conversations and conversations[-1]["from"] == side:
                report.lost["border between turns of one side"] += 1
                conversations[-1]["value"] += "\n" + value
            else:
                if not conversations and side == "gpt":
                    report.lost["that the character begins"] += 1
                    conversations.append({"from": "human", "value": ""})
                conversations.append({"from": side, "value": value})
        if conversations and conversations[-1]["from"] == "human":
            report.lost["an answer after the last turn (trainers pass over such dialogues)"] += 1
        record: dict[str, Any] = {"id": dialogue.id, "conversations": conversations}
        if system := system_message(dialogue, assistant, data, report):
            record["system"] = system
        return record | {name: paths for name, paths in media.items() if paths}

    def _pieces(
        self, turn: Turn, data: DialogueSet, out: Path, media: dict[str, list[str]], report: ExportReport
    ) -> Iterator[str]:
        for part in turn.parts:
            if part.kind == "text":
                text = part.text or ""
                if _PLACEHOLDER.search(text):
                    report.lost["a placeholder such as <image> that was a word"] += 1
                yield _PLACEHOLDER.sub(r"< \1>", text)
            elif (medium := medium_of(part, data, report)) is not None:
                source = data.media.path(part.media or "")
                target = out / "media" / source.name
                if not target.exists():
                    files.write_bytes(target, medium)
                media[f"{part.kind}s"].append(f"media/{source.name}")
                yield f"<{part.kind}>"
