"""Chats from Hugging Face `datasets`: a folder written by `save_to_disk`, or Parquet files.

The conversation is the column `messages`, `conversations`, `conversation`, `dialog` or `chat` (or `--set
column=NAME`): roles with content, ShareGPT's pairs, or plain texts by turns. Pictures, sounds and videos come from
columns of those names. A data set that Ruxi exported holds its dialogues whole in the column `ruxi`. Files are read
with Arrow, in batches; no code of a data set is run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.chat import Media, Message, Place, Saying, from_messages, from_sharegpt
from ruxi.dialogues.importers.labels import split_of
from ruxi.dialogues.importers.openai_messages import ChatOptions
from ruxi.dialogues.importers.reading import files_in
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.shards import pyarrow
from ruxi.errors import DataError

_COLUMNS = ("messages", "conversations", "conversation", "dialog", "chat")
_MEDIA = {
    "image": "images",
    "images": "images",
    "audio": "audios",
    "audios": "audios",
    "video": "videos",
    "videos": "videos",
}
_BATCH = 100
_MESSAGES = TypeAdapter(list[Message])
_SAYINGS = TypeAdapter(list[Saying])


class HuggingFaceOptions(ChatOptions):
    """Options of the Hugging Face importer."""

    column: str | None = None
    """The column that holds the conversation."""


class HuggingFaceImporter(Importer):
    """Reads Hugging Face data sets from disk."""

    name = "huggingface"
    summary = "Hugging Face datasets: a folder of save_to_disk, or Parquet files"
    Options = HuggingFaceOptions
    options: HuggingFaceOptions

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream one dialogue for each row."""
        for path in files_in(source, ".arrow", ".parquet"):
            name = path.stem if path.parent == source or path.suffix == ".parquet" else path.parent.name
            split = (
                split_of(name.partition("-")[0], context, path, 1) if name.partition("-")[0] in _SPLIT_NAMES else None
            )
            for number, row in enumerate(_rows(path, context), 1):
                with context.guard(path, number):
                    dialogue = self._dialogue(row, f"{name}-{number}", path, number, context)
                    if dialogue.split is None and not dialogue.holdout:
                        dialogue.split = split
                    yield dialogue

    def _dialogue(self, row: dict[str, Any], name: str, path: Path, number: int, context: ImportContext) -> Dialogue:
        media = Media()
        for column, kind in _MEDIA.items():
            if row.get(column) is not None:
                getattr(media, kind).extend(_media(row[column]))
        if isinstance(row.get("ruxi"), str):
            return self._restored(row, media, path, number, context)
        found = next((name for name in (self.options.column, *_COLUMNS) if name and name in row), None)
        if found is None:
            known = ", ".join(row)
            raise DataError(
                f"no column holds a conversation (columns: {known})", remedy="Name it with --set column=NAME."
            )
        turns = _without_nulls(row[found])
        place = Place(context, path, number, self.options.fetch)
        used = {found, "id", "system", *_MEDIA}
        rest = {column: value for column, value in row.items() if column not in used and value is not None}
        fields: dict[str, Any] = {"language": self.options.language}
        if rest:
            fields["record"] = json.loads(json.dumps(rest, default=str))
        identifier = name if row.get("id") is None else str(row["id"])
        system = row.get("system") if isinstance(row.get("system"), str) else None
        if isinstance(turns, list) and turns and isinstance(turns[0], dict) and "from" in turns[0]:
            return from_sharegpt(identifier, _SAYINGS.validate_python(turns), media, place, system or None, **fields)
        if isinstance(turns, list) and turns and isinstance(turns[0], str):
            roles = ("user", "assistant")
            turns = [{"role": roles[place_ % 2], "content": text} for place_, text in enumerate(turns)]
        return from_messages(identifier, _MESSAGES.validate_python(turns), media, place, system or None, **fields)

    def _restored(self, row: dict[str, Any], media: Media, path: Path, number: int, context: ImportContext) -> Dialogue:
        """A dialogue that Ruxi exported, with its media and characters put back."""
        from ruxi.characters import Character
        from ruxi.dialogues.store import character_path

        dialogue = Dialogue.model_validate_json(row["ruxi"])
        place = Place(context, path, number)
        for turn in dialogue.turns:
            for part in turn.parts:
                if part.media is not None and part.kind != "text":
                    medium = media.next(part.kind)
                    found = place.part(part.kind, medium).media if medium is not None else None
                    if found is None and medium is None:
                        place.report(
                            "missing medium", f"the row lacks the medium {part.media}", "Export the set again."
                        )
                    part.media = found
        root = path.parent if path.parent == context.root else path.parent.parent
        for member in dialogue.cast:
            if member.character is None:
                continue
            card = character_path(root, member.character)
            if context.character_id(member.character) is None and card.is_file():
                context.character(member.character, Character.load(card))
            known = context.character_id(member.character)
            if known is None and context.once(f"card {member.character}"):
                problem, remedy = f"there is no card {member.character!r}", "Put it into characters/."
                context.problem("missing character", problem, file=path, line=number, remedy=remedy)
            member.character = known
        return dialogue


_SPLIT_NAMES = frozenset({"train", "validation", "valid", "val", "dev", "test"})


def _rows(path: Path, context: ImportContext) -> Iterator[dict[str, Any]]:
    arrow = pyarrow()
    from pyarrow import ipc
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        if path.suffix == ".parquet":
            batches = ParquetFile(path).iter_batches(batch_size=_BATCH)
        else:
            batches = ipc.open_stream(arrow.memory_map(str(path)))
        for batch in batches:
            for start in range(0, batch.num_rows, _BATCH):
                for row in batch.slice(start, _BATCH).to_pylist():
                    number += 1
                    yield row
    except (arrow.ArrowException, OSError, ValueError, KeyError) as error:
        problem = f"the file is damaged after this row ({error}); what follows is lost"
        remedy = "Get the file again."
        context.problem("unreadable", problem, file=path, line=number, remedy=remedy, lost=1)


def _media(value: Any) -> Iterator[str | bytes]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str | bytes):
            yield item
        elif isinstance(item, dict) and isinstance(found := item.get("bytes") or item.get("path"), str | bytes):
            yield found


def _without_nulls(value: Any) -> Any:
    """Arrow fills fields that a message does not have with None, and may turn a list of records on its side."""
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        length = max(len(column) for column in value.values())
        value = [
            {name: column[place] for name, column in value.items() if place < len(column)} for place in range(length)
        ]
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
