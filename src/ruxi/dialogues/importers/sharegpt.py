"""ShareGPT conversations, also with `images`, `videos` and `audios` as LLaMA-Factory reads them.

A `.json` or `.jsonl` file, or a folder of them. `<image>`, `<video>` and `<audio>` in the texts stand for the record's
media in their order; the files lie beside the conversations.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ruxi.dialogues.importers.base import ImportContext, Importer
from ruxi.dialogues.importers.chat import Media, Message, Place, Saying, from_messages, from_sharegpt
from ruxi.dialogues.importers.labels import split_of
from ruxi.dialogues.importers.openai_messages import ChatOptions
from ruxi.dialogues.importers.reading import files_in, json_records
from ruxi.dialogues.schema import Dialogue


class _Record(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str | int | None = None
    conversations: list[Saying] | None = None
    messages: list[Message] | None = None
    system: str | None = None
    images: list[str] = Field(default_factory=list)
    videos: list[str] = Field(default_factory=list)
    audios: list[str] = Field(default_factory=list)

    @field_validator("images", "videos", "audios", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return [] if value is None else [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_turns(self) -> Self:
        if self.conversations is None and self.messages is None:
            raise ValueError("has neither 'conversations' nor 'messages'")
        return self


class ShareGptImporter(Importer):
    """Reads ShareGPT."""

    name = "sharegpt"
    summary = "ShareGPT conversations with images, videos and audios (LLaMA-Factory)"
    Options = ChatOptions
    options: ChatOptions

    def read(self, source: Path, context: ImportContext) -> Iterator[Dialogue]:
        """Stream one dialogue for each record."""
        for path in files_in(source, ".json", ".jsonl", ".jsonl.gz"):
            if path.name == "dataset_info.json":
                continue
            split = split_of(path.stem, context, path, 1) if path.stem in ("train", "validation", "test") else None
            for number, record in json_records(path, _Record, context):
                with context.guard(path, number):
                    yield self._dialogue(record, path, number, context, split=split)

    def _dialogue(self, record: _Record, path: Path, number: int, context: ImportContext, **fields: object) -> Dialogue:
        identifier = f"{path.stem}-{number}" if record.id is None else str(record.id)
        media = Media(list(record.images), list(record.videos), list(record.audios))
        place = Place(context, path, number, self.options.fetch)
        fields["language"] = self.options.language
        if record.model_extra:
            fields["record"] = record.model_extra
        if record.conversations is not None:
            return from_sharegpt(identifier, record.conversations, media, place, record.system, **fields)
        return from_messages(identifier, record.messages or [], media, place, record.system, **fields)
