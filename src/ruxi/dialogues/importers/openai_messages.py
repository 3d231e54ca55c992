"""Chats in the form of the OpenAI API: `messages` with roles, and parts for text, pictures and sound.

A `.jsonl` or `.json` file, or a folder of them. Pictures and sounds may be data URLs or files beside the chats; web
addresses are fetched only with `--set fetch=true`, and then only as the media room allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ruxi.dialogues.importers.base import ImportContext, Importer, ImportOptions
from ruxi.dialogues.importers.chat import Media, Message, Place, from_messages
from ruxi.dialogues.importers.labels import split_of
from ruxi.dialogues.importers.reading import files_in, json_records
from ruxi.dialogues.schema import Dialogue


class ChatOptions(ImportOptions):
    """Options of the importers of model chats."""

    fetch: bool = False
    """Whether media may be fetched from the web."""
    language: str | None = None
    """BCP 47 code of the texts."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str | int | None = None
    messages: list[Message] = Field(min_length=1)


class OpenAIImporter(Importer):
    """Reads OpenAI messages."""

    name = "openai"
    summary = "OpenAI messages with parts for text, pictures and sound (.jsonl, .json)"
    Options = ChatOptions
    options: ChatOptions

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream one dialogue for each record."""
        for path in files_in(source, ".jsonl", ".json", ".jsonl.gz"):
            split = split_of(path.stem, context, path, 1) if path.stem in ("train", "validation", "test") else None
            for number, record in json_records(path, _Record, context):
                with context.guard(path, number):
                    identifier = f"{path.stem}-{number}" if record.id is None else str(record.id)
                    place = Place(context, path, number, self.options.fetch)
                    fields: dict[str, Any] = {"record": record.model_extra} if record.model_extra else {}
                    yield from_messages(
                        identifier,
                        record.messages,
                        Media(),
                        place,
                        split=split,
                        language=self.options.language,
                        **fields,
                    )
