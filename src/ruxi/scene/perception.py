"""Looking and listening: every medium goes through the door once and through its extractor once.

What an extractor recognised is written onto the part, so that a prompt can be built from the dialogue alone; its
feature vectors stay in the cache, by the medium's digest.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from ruxi.dialogues import Part, Word
from ruxi.errors import MediaError, UsageError
from ruxi.features import Extractor, FeatureCache, FeatureSequence, load_extractor
from ruxi.media import Kind, Limits, MediaFolder, Medium
from ruxi.media.audio import decode_audio
from ruxi.media.images import decode_image
from ruxi.media.limits import DEFAULT_LIMITS
from ruxi.media.sources import Original, Source, read_source
from ruxi.media.video import decode_video
from ruxi.prompt import MediaSlot
from ruxi.scene.reply import Heard

_log = logging.getLogger("ruxi")


@dataclass(frozen=True)
class Shown:
    """A medium of a user's turn that passed the door.

    Attributes:
        data: Its bytes.
        medium: What they hold.
    """

    data: bytes
    medium: Medium


class Perception:
    """The eyes and ears of a scene.

    Args:
        extractors: Extractor, or its name, for each kind of medium.
        cache: Where features are kept; by default in the store.
        limits: Which media are refused.
    """

    def __init__(
        self,
        extractors: Mapping[str, str | Extractor],
        *,
        cache: FeatureCache | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._extractors = dict(extractors)
        self._cache = cache if cache is not None else FeatureCache()
        self._limits = limits
        self._features: dict[tuple[str, str], FeatureSequence] = {}

    def open(self, kind: Kind, source: Source, *, start: float) -> Shown:
        """Let a medium in.

        Args:
            kind: What it must be.
            source: Path, bytes, data URL or https URL.
            start: Where it begins on the dialogue's time axis, in seconds.

        Raises:
            UsageError: The engine cannot take this kind.
            MediaError: The medium is refused.
        """
        if kind not in self._extractors:
            known = ", ".join(sorted(self._extractors)) or "text only"
            raise UsageError(f"this engine cannot take a medium of the kind {kind!r}", remedy=f"It takes: {known}.")
        original = read_source(source, self._limits)
        return Shown(original.data, self._decode(kind, original, start))

    def perceive(self, medium: Medium) -> Part:
        """Look at a medium or listen to it.

        Returns:
            The part of a turn that shows it, with what was recognised.
        """
        found = self._extract(medium)
        return Part(
            kind=medium.kind,
            text=found.text,
            media=medium.sha256,
            start=medium.start,
            end=medium.end,
            labels=list(found.labels),
            words=[_on_axis(word, medium.start) for word in found.words],
            language=found.language,
        )

    def features(self, slots: Iterable[MediaSlot], folder: MediaFolder) -> dict[str, FeatureSequence]:
        """The features of a prompt's media, by digest; extracted anew for media of a resumed chat.

        A medium that is gone is left out with a warning: what was recognised in it still stands in the dialogue.
        """
        found = {}
        for slot in slots:
            if slot.kind not in self._extractors:
                continue
            known = self._features.get((slot.kind, slot.media))
            try:
                found[slot.media] = known or self._remember(slot, folder)
            except MediaError as error:
                _log.warning("%s", error)
        return found

    def _remember(self, slot: MediaSlot, folder: MediaFolder) -> FeatureSequence:
        original = Original(folder.read(slot.media), str(folder.path(slot.media)))
        return self._extract(self._decode(slot.kind, original, slot.start or 0.0))

    def _decode(self, kind: str, original: Original, start: float) -> Medium:
        if kind == "image":
            return decode_image(original, start=start, limits=self._limits)
        if kind == "audio":
            return decode_audio(original, start=start, limits=self._limits)
        if kind == "video":
            return decode_video(original, start=start, limits=self._limits)
        raise MediaError(f"{kind!r} is no kind of medium", where=original.source)

    def _extract(self, medium: Medium) -> FeatureSequence:
        key = (medium.kind, medium.sha256)
        if key not in self._features:
            self._features[key] = self._cache.extract(self._extractor(medium.kind), medium)
        return self._features[key]

    def _extractor(self, kind: str) -> Extractor:
        extractor = self._extractors[kind]
        return _shared_extractor(extractor) if isinstance(extractor, str) else extractor


@cache
def _shared_extractor(name: str) -> Extractor:
    """One extractor for all scenes of a process: its weights are the larger part of what a scene needs."""
    return load_extractor(name)


def heard_in(part: Part) -> Heard | None:
    """What was understood of a sound or of a video's sound track; None for other parts."""
    if part.kind not in ("audio", "video") or (part.kind == "video" and part.text is None):
        return None
    confidences = [word.confidence for word in part.words]
    return Heard(
        text=part.text or "",
        language=part.language,
        confidence=sum(confidences) / len(confidences) if confidences else 0.0,
    )


def _on_axis(word: Word, start: float) -> Word:
    return word.model_copy(update={"start": word.start + start, "end": word.end + start})
