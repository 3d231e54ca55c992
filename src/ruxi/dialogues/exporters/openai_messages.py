"""OpenAI messages: JSON lines with roles and parts, pictures and sounds inside as base64.

One file a split. The chosen character is the assistant, everybody else a user with a name. The API takes pictures as
PNG, JPEG, WebP and GIF and sounds as WAV and MP3; others are converted, which is counted. It takes no video.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from pydantic_core import to_json

from ruxi import files
from ruxi.dialogues.exporters.base import Exporter, ExportReport, medium_of, split_name
from ruxi.dialogues.exporters.sides import RoleOptions, assistant_of, system_message
from ruxi.dialogues.schema import Dialogue, Part
from ruxi.dialogues.store import DialogueSet

_PICTURES = {"PNG": "image/png", "JPEG": "image/jpeg", "WebP": "image/webp", "GIF": "image/gif"}
_SOUNDS = {"WAV": "wav", "MP3": "mp3"}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class OpenAIExporter(Exporter):
    """Writes OpenAI messages."""

    name = "openai"
    summary = "OpenAI messages with parts (.jsonl)"
    holds: ClassVar[frozenset[str]] = frozenset(
        {
            "dialogue.cast", "dialogue.scene", "dialogue.split", "dialogue.turns", "cast.character", "cast.kind",
            "cast.name", "turn.message", "turn.parts", "turn.speaker", "part.kind", "text.text", "image.media",
            "audio.media",
        }
    )  # fmt: skip
    Options = RoleOptions
    options: RoleOptions

    def write(self, data: DialogueSet, out: Path, report: ExportReport, progress: Callable[[int], None]) -> None:
        """Write `train.jsonl`, `validation.jsonl`, `test.jsonl` and `dialogues.jsonl` (for those without a split)."""
        with ExitStack() as stack:
            opened: dict[str, BinaryIO] = {}
            for dialogue in self.dialogues(data, report, progress):
                name = f"{split_name(dialogue)}.jsonl"
                if name not in opened:
                    opened[name] = stack.enter_context(files.writing(out / name))
                opened[name].write(to_json({"messages": self._messages(dialogue, data, report)}) + b"\n")

    def _messages(self, dialogue: Dialogue, data: DialogueSet, report: ExportReport) -> list[dict[str, Any]]:
        assistant = assistant_of(dialogue, self.options.character)
        messages: list[dict[str, Any]] = []
        if system := system_message(dialogue, assistant, data, report):
            messages.append({"role": "system", "content": system})
        kinds = {member.name: member.kind for member in dialogue.cast}
        for turn in dialogue.turns:
            role = "assistant" if turn.speaker == assistant else "user"
            if role == "user" and kinds.get(turn.speaker, "user") != "user":
                report.lost[f"that a speaker is a {kinds[turn.speaker]}"] += 1
            message: dict[str, Any] = {"role": role}
            if turn.speaker not in ("User", "Assistant"):
                if _NAME.fullmatch(turn.speaker):
                    message["name"] = turn.speaker
                else:
                    report.lost["names with other signs than letters, digits, '_' and '-'"] += 1
            parts = [part for part in (self._part(part, data, report) for part in turn.parts) if part]
            only_text = len(parts) == 1 and parts[0]["type"] == "text"
            message["content"] = parts[0]["text"] if only_text else parts
            kept = (turn.model_extra or {}).get("message")
            messages.append({**(kept if isinstance(kept, dict) else {}), **message})
        return messages

    def _part(self, part: Part, data: DialogueSet, report: ExportReport) -> dict[str, Any] | None:
        if part.kind == "text":
            return {"type": "text", "text": part.text or ""}
        if part.kind == "video" or (medium := medium_of(part, data, report)) is None:
            return None
        from ruxi.media import open_audio, open_image
        from ruxi.media.encoding import as_png, as_wav, data_url
        from ruxi.media.sniff import require

        format_ = require(medium, part.kind, part.media or "").name
        if part.kind == "image":
            if format_ not in _PICTURES:
                medium, format_ = as_png(open_image(medium).pixels), "PNG"
                report.lost["original bytes of pictures that were converted to PNG"] += 1
            return {"type": "image_url", "image_url": {"url": data_url(medium, _PICTURES[format_])}}
        if format_ not in _SOUNDS:
            sound = open_audio(medium)
            medium, format_ = as_wav(sound.samples, sound.rate), "WAV"
            report.lost["original bytes of sounds that were converted to WAV (16 kHz, mono)"] += 1
        return {
            "type": "input_audio",
            "input_audio": {"data": base64.b64encode(medium).decode(), "format": _SOUNDS[format_]},
        }
