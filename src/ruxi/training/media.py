"""Features for training: extracted once, then read from the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruxi.dialogues import Dialogue, Part
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import MediaError
from ruxi.features import Extractor, FeatureCache, FeatureSequence, load_extractor
from ruxi.media import Kind, open_medium
from ruxi.model import STREAM_OF_KIND
from ruxi.training.examples import Medium

MediumKey = tuple[Kind, str]
"""Kind and SHA-256 of a medium."""

Progress = Callable[[Iterable[Any], int], Iterable[Any]]
"""Wraps an iteration, over so many things, with a display of how far it is."""


@dataclass(frozen=True)
class Missing:
    """A medium without features, and why."""

    media: str
    reason: str


class TrainingMedia:
    """Features of the media of some data sets.

    Args:
        sets: The data sets, whose `media/` folders hold the files.
        extractors: Name of the extractor of each stream.
        cache: Where features are kept.
    """

    def __init__(
        self, sets: Sequence[DialogueSet], extractors: Mapping[str, str], cache: FeatureCache | None = None
    ) -> None:
        self._sets = sets
        self._cache = cache or FeatureCache()
        self._extractors: dict[str, Extractor] = {
            stream: load_extractor(name) for stream, name in sorted(extractors.items())
        }

    def of(self, medium: Medium | Part) -> FeatureSequence | None:
        """Features from the cache; None when the medium has none or the model has no such stream."""
        extractor = self._extractors.get(STREAM_OF_KIND.get(medium.kind, ""))
        if extractor is None or medium.media is None:
            return None
        return self._cache.get(medium.media, extractor)

    def wanted(self, dialogues: Iterable[Dialogue]) -> list[MediumKey]:
        """Every medium in some dialogues whose stream the model has, once."""
        parts = (part for dialogue in dialogues for turn in dialogue.turns for part in turn.parts)
        return [key for key in dict.fromkeys(_media_of(parts)) if STREAM_OF_KIND[key[0]] in self._extractors]

    def extract(self, media: Sequence[MediumKey], progress: Progress = lambda items, total: items) -> list[Missing]:
        """Fill the cache; media that are already in it cost nothing.

        Returns:
            Media that could not be read, with the reason.
        """
        todo = [key for key in media if self._cache.get(key[1], self._extractor(key[0])) is None]
        missing = []
        for kind, digest in progress(todo, len(todo)):
            path = self._path(digest)
            if path is None:
                missing.append(Missing(digest, "is in no data set's media folder"))
                continue
            try:
                self._cache.extract(self._extractor(kind), open_medium(path, kind))
            except MediaError as error:
                missing.append(Missing(digest, str(error)))
        return missing

    def _extractor(self, kind: Kind) -> Extractor:
        return self._extractors[STREAM_OF_KIND[kind]]

    def _path(self, digest: str) -> Path | None:
        return next((data.media.path(digest) for data in self._sets if digest in data.media), None)


def _media_of(parts: Iterable[Part]) -> Iterator[MediumKey]:
    for part in parts:
        if part.kind != "text" and part.media is not None:
            yield part.kind, part.media
