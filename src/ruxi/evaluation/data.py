"""Data sets as tasks see them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from ruxi import files
from ruxi.characters import Character
from ruxi.dialogues import Dialogue, DialogueSet
from ruxi.dialogues.shards import shards_of
from ruxi.errors import DataError
from ruxi.evaluation.task import TaskOptions
from ruxi.media import MediaFolder

_SPLITS = ("test", "validation", None, "train")


class EvaluationData:
    """A data set that models are measured on.

    Args:
        path: The folder of the data set.

    Raises:
        DataError: There is no data set.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set = DialogueSet.open(path)
        self.name = self.set.info.name
        self._characters: dict[str, Character] = {}

    @property
    def media(self) -> MediaFolder:
        """Its pictures, sounds and videos."""
        return self.set.media

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the digests of its shards."""
        return files.sha256_of_bytes("".join(files.sha256_of(shard) for shard in shards_of(self.path)).encode())

    @cached_property
    def all(self) -> list[Dialogue]:
        """All dialogues, in order."""
        return list(self.set)

    def dialogues(self, options: TaskOptions) -> list[Dialogue]:
        """The dialogues that a task's options ask for, in order.

        Raises:
            DataError: There are none.
        """
        languages = options.languages
        spoken = [d for d in self.all if languages is None or d.language in languages]
        wanted: str | None = options.split
        if wanted is None:
            present = {dialogue.split for dialogue in spoken}
            wanted = next((split for split in _SPLITS if split in present), None)
        found = [dialogue for dialogue in spoken if wanted == "all" or dialogue.split == wanted]
        if not found:
            raise DataError(
                f"has no dialogues in the split {wanted!r}" + (f" in {', '.join(languages)}" if languages else ""),
                where=str(self.path),
                remedy="Choose another split or other data.",
            )
        return found

    def training(self) -> Iterator[Dialogue]:
        """The dialogues of the training split, which floors may learn from."""
        return (dialogue for dialogue in self.all if dialogue.split == "train" and not dialogue.holdout)

    def character(self, dialogue: Dialogue, speaker: str) -> Character:
        """The card of a speaker; a character of that name alone when there is none."""
        member = next((member for member in dialogue.cast if member.name == speaker), None)
        if member is None or member.character is None:
            return Character(name=speaker)
        if member.character not in self._characters:
            self._characters[member.character] = self.set.character(member.character)
        return self._characters[member.character]


def cluster_of(dialogue: Dialogue) -> str:
    """What a dialogue's items are not independent of."""
    return dialogue.group or dialogue.id


def open_data(paths: list[Path]) -> list[EvaluationData]:
    """The data sets in some folders: each is one, or holds several.

    Raises:
        DataError: A folder is no data set and holds none, or two have the same name.
    """
    found: list[EvaluationData] = []
    for path in paths:
        inside = [path] if _is_set(path) else sorted(child for child in _children(path) if _is_set(child))
        if not inside:
            raise DataError(
                "is no data set and holds none", where=str(path), remedy="Make one with `ruxi data import`."
            )
        found += [EvaluationData(folder) for folder in inside]
    names = [data.name for data in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(
            f"several data sets are called {', '.join(twice)}", remedy="Give one of them another name on import."
        )
    return found


def _is_set(path: Path) -> bool:
    return path.is_dir() and bool(shards_of(path))


def _children(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        raise DataError("there is no such folder", where=str(path), remedy="Give the folder of a data set.")
    return path.iterdir()
