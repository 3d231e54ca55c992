"""What an extractor takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ruxi.dialogues import Label, Word
from ruxi.media import Medium

STREAM_OF_KIND = {"image": "image", "audio": "speech", "video": "video"}
"""The stream of a model that each kind of medium feeds; the sound track of a video is a medium of its own."""


@dataclass(frozen=True)
class FeatureSequence:
    """Features of one medium, in time order.

    Attributes:
        values: Feature vectors, float16 `[n, width]`.
        times: Begin and end of each vector in seconds from the medium's own start, float32 `[n, 2]`.
        labels: What the extractor recognised, best first.
        text: The transcript, for speech; None otherwise.
        words: The transcript's words, in seconds from the medium's own start.
        language: BCP 47 code of the speech; None otherwise.
        language_probability: How likely that language is, between 0 and 1; None without speech.
    """

    values: npt.NDArray[np.float16]
    times: npt.NDArray[np.float32]
    labels: tuple[Label, ...] = ()
    text: str | None = None
    words: tuple[Word, ...] = ()
    language: str | None = None
    language_probability: float | None = None


@runtime_checkable
class Extractor(Protocol):
    """A frozen pretrained encoder.

    Attributes:
        name: What recipes and the cache call it.
        version: Changes whenever the same medium would give other values: digest of the weights and of the settings.
        modality: Which stream of the fusion its features feed: `image`, `speech` or `video`; `text` feeds none.
        width: Length of one feature vector.
    """

    name: str
    version: str
    modality: str
    width: int

    def extract(self, medium: Medium) -> FeatureSequence:
        """Compute the features of one medium."""
        ...
