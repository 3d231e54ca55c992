"""A chat on disk: the same folder layout as a data set, so that a saved chat is one.

    dialogues.jsonl (or another name with that ending)    the dialogue, one line of JSON
    characters/ID.json                                    its character, by content
    media/                                                what was shown and played, by content

The file is replaced as a whole at every turn, so that a killed program leaves the last turn that was acknowledged.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from ruxi import files
from ruxi.characters import Character
from ruxi.dialogues import Dialogue
from ruxi.errors import DataError
from ruxi.media import MediaFolder

_UNSAFE = re.compile(r"[^\w -]")


class SavedChat:
    """Where one chat is kept.

    Args:
        path: A `.jsonl` file, or a folder in which it is called `dialogues.jsonl`.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        self.file = path if path.suffix == ".jsonl" else path / "dialogues.jsonl"
        self.media = MediaFolder(self.file.parent / "media")
        self._last: bytes | None = None

    @classmethod
    def create(cls, path: str | Path, *, overwrite: bool = False) -> Self:
        """Choose a place for a new chat.

        Raises:
            DataError: Another chat lies there, and may not be overwritten.
        """
        chat = cls(path)
        if chat.file.exists():
            if not overwrite:
                raise DataError(
                    "a chat is already saved there",
                    where=str(chat.file),
                    remedy="Give another name, or go on with that chat (`--resume`, `/load`).",
                )
            chat._last = chat.file.read_bytes()
        return chat

    def read(self) -> tuple[Dialogue, Character]:
        """The dialogue and the character.

        Raises:
            DataError: There is no chat, or it is damaged.
            CardError: The character is damaged.
        """
        where = str(self.file)
        try:
            data = self.file.read_bytes()
        except OSError as error:
            raise DataError(
                f"no chat can be read here ({error.strerror})", where=where, remedy="Check the path."
            ) from None
        lines = data.splitlines()
        if len(lines) != 1:
            raise DataError(
                f"holds {len(lines)} dialogues, a saved chat holds one", where=where, remedy="Give a saved chat."
            )
        try:
            dialogue = Dialogue.model_validate_json(lines[0])
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            field = ".".join(str(step) for step in fault["loc"]) or "line 1"
            raise DataError(f"{field}: {fault['msg']}", where=where, remedy="Restore the file.") from None
        identifier = next((m.character for m in dialogue.cast if m.kind == "character" and m.character), None)
        if identifier is None:
            raise DataError("its cast names no character", where=where, remedy="Give a saved chat.")
        self._last = data
        return dialogue, Character.load(self._character_file(identifier))

    def write(self, dialogue: Dialogue) -> None:
        """Keep the dialogue as it is now; on return it is on the disk.

        Raises:
            DataError: Another program changed the file since it was last read or written here.
        """
        if self.file.exists() and self.file.read_bytes() != self._last:
            raise DataError(
                "another program has changed this chat meanwhile",
                where=str(self.file),
                remedy="Save under another name; nothing of either is lost.",
            )
        data = f"{dialogue.to_json()}\n".encode()
        try:
            files.write_bytes(self.file, data)
        except OSError as error:
            raise DataError(
                f"the chat cannot be saved ({error.strerror})",
                where=str(self.file),
                remedy="Make room, or save it under another name.",
            ) from error
        self._last = data

    def write_character(self, character: Character) -> str:
        """Keep the character; get the id by which the cast names it."""
        digest = files.sha256_of_bytes(character.to_json().encode())
        name = _UNSAFE.sub("", character.call_name).strip("_ -")[:60]
        identifier = f"{name or 'character'}-{digest[:8]}"
        path = self._character_file(identifier)
        if not path.exists():
            character.save(path)
        return identifier

    def _character_file(self, identifier: str) -> Path:
        if _UNSAFE.search(identifier):
            raise DataError(f"{identifier!r} cannot be a character's id", where=str(self.file))
        return self.file.parent / "characters" / f"{identifier}.json"
