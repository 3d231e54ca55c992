"""A folder of pictures, sounds and videos with a CSV table.

Columns (others are kept): `file` (or `image`, `audio`, `video`), `text`, `label`, `emotion`, `intent`, `speaker`,
`split`, `group`, `language`, and `dialogue` with an optional `turn` to make dialogues of several turns. A row without
`dialogue` is a dialogue of its own. Without a `speaker` it is the user who shows the file, and `reply` is what a
character answers. In a row with a sound or video `text` is its transcript; with a picture, the words said with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruxi.dialogues.importers.base import ImportContext, Importer, ImportOptions, MediumKind
from ruxi.dialogues.importers.labelled import USER
from ruxi.dialogues.importers.labels import emotion_or_report, split_of
from ruxi.dialogues.importers.reading import csv_rows, files_in
from ruxi.dialogues.schema import CastMember, Dialogue, Label, Part, Turn

_KNOWN = {
    "audio", "dialogue", "emotion", "file", "group", "image", "intent", "label", "language", "reply", "speaker",
    "split", "text", "turn", "video",
}  # fmt: skip
_ENDINGS: dict[MediumKind, tuple[str, ...]] = {
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    "audio": (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aiff"),
    "video": (".mp4", ".mkv", ".webm"),
}


class FolderOptions(ImportOptions):
    """Options of the folder importer."""

    character: str = "Character"
    """Who speaks the column `reply`."""


class FolderImporter(Importer):
    """Reads a folder with a CSV table."""

    name = "folder"
    summary = "A folder of pictures, sounds and videos with a CSV table"
    Options = FolderOptions
    options: FolderOptions

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream the dialogues; rows of one dialogue must stand together."""
        for path in files_in(source, ".csv", ".tsv"):
            waiting: list[tuple[int, dict[str, str]]] = []
            for number, row in csv_rows(path, context):
                same = waiting and row.get("dialogue") and row["dialogue"] == waiting[0][1].get("dialogue")
                if waiting and not same:
                    yield from self._dialogue(waiting, path, context)
                    waiting = []
                waiting.append((number, row))
            if waiting:
                yield from self._dialogue(waiting, path, context)

    def _dialogue(
        self, rows: list[tuple[int, dict[str, str]]], path: Path, context: ImportContext
    ) -> Iterator[Dialogue]:
        if all(row.get("turn", "").strip().isdigit() for _, row in rows):
            rows = sorted(rows, key=lambda numbered: int(numbered[1]["turn"]))
        number, first = rows[0]
        with context.guard(path, number):
            turns = [turn for line, row in rows for turn in self._turns(row, path, line, context)]
            cast = [
                CastMember(name=name, kind="user" if name == USER else "character")
                for name in dict.fromkeys(turn.speaker for turn in turns)
            ]
            yield Dialogue(
                id=first.get("dialogue") or f"{path.stem}-{number}",
                cast=cast,
                turns=turns,
                split=split_of(first.get("split"), context, path, number),
                group=first.get("group") or None,
                language=first.get("language") or None,
            )

    def _turns(self, row: dict[str, str], path: Path, line: int, context: ImportContext) -> Iterator[Turn]:
        parts: list[Part] = []
        text = row.get("text", "").strip()
        for column in ("file", "image", "audio", "video"):
            name = row.get(column, "").strip()
            if not name:
                continue
            kind = _kind(column, name)
            if kind is None:
                remedy = "Use a column `image`, `audio` or `video`."
                problem = f"{name!r} has no ending of a picture, sound or video"
                context.problem("broken medium", problem, file=path, line=line, remedy=remedy)
                continue
            part = Part(kind=kind, media=context.medium(name, kind, file=path, line=line), name=name)
            if row.get("label"):
                part.labels = [Label(name=row["label"].strip())]
            if kind != "image" and text:
                part.text, text = text, ""
            parts.append(part)
        if text:
            parts.append(Part(kind="text", text=text))
        fields: dict[str, Any] = {name: value for name, value in row.items() if name not in _KNOWN and name and value}
        yield Turn(
            speaker=row.get("speaker", "").strip() or USER,
            parts=parts,
            emotion=emotion_or_report(row.get("emotion"), context, path, line),
            intent=row.get("intent") or None,
            **({"record": fields} if fields else {}),
        )
        if row.get("reply", "").strip():
            yield Turn.of_text(self.options.character, row["reply"].strip())


def _kind(column: str, name: str) -> MediumKind | None:
    if column in ("image", "audio", "video"):
        return column  # type: ignore[return-value]  # one of the three
    for kind, endings in _ENDINGS.items():
        if name.lower().endswith(endings):
            return kind
    return None
