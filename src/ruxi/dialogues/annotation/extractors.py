"""Extractors as annotators: what Whisper hears becomes a transcript, what an image encoder sees becomes labels."""

from __future__ import annotations

from collections.abc import Sequence

from ruxi.dialogues.annotation.types import Answer, ExtractorLike, Field, Item
from ruxi.errors import MediaError

_MODALITIES: dict[str, tuple[Field, tuple[str, ...]]] = {
    "speech": ("transcript", ("audio", "video")),
    "image": ("labels", ("image",)),
}


class ExtractorAnnotator:
    """Asks an extractor about every medium of its kind.

    Args:
        extractor: Its modality decides what is annotated: `speech` gives transcripts, `image` gives labels.
        most_labels: Labels kept for a picture.
        least_score: Labels with less confidence are dropped.
    """

    context_turns = 0
    batch = 8

    def __init__(self, extractor: ExtractorLike, most_labels: int = 5, least_score: float = 0.1) -> None:
        field, self._kinds = _MODALITIES[extractor.modality]
        self.name = extractor.name
        self.version = f"{extractor.version}/{most_labels}/{least_score}"
        self.fields = frozenset({field})
        self._extractor = extractor
        self._most_labels = most_labels
        self._least_score = least_score

    def annotate(self, items: Sequence[Item]) -> list[Answer | None]:
        """Look at or listen to each medium; one that cannot be opened has no answer."""
        return [self._one(item) for item in items]

    def _one(self, item: Item) -> Answer | None:
        if item.open is None or item.kind not in self._kinds:
            return None
        try:
            medium = item.open()
            if medium.kind == "video":
                if medium.audio is None:
                    return None
                medium = medium.audio
            found = self._extractor.extract(medium)
        except MediaError:
            return None
        if "labels" in self.fields:
            kept = [label for label in found.labels if label.score >= self._least_score][: self._most_labels]
            return {"labels": [{"name": label.name, "score": round(label.score, 4)} for label in kept]}
        if not found.text:
            return None
        answer: Answer = {"text": found.text, "words": [word.model_dump() for word in found.words]}
        if found.language:
            answer["language"] = [found.language, round(found.language_probability or 1.0, 4)]
        return answer
