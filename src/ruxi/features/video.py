"""Video: what its frames show over time, and what is said in it.

A video is pictures and a sound, so this extractor owns no weights: it looks with an extractor of pictures and listens
with one of speech. `FeatureSequence` stays one type. Its values are the frames' (one vector a frame, the mean over the
picture, at the frame's time) and feed the `video` stream; its words are those of the sound track, so that a prompt
knows what was said. The states of the sound itself feed the `speech` stream and are those of `sound`, a
`FeatureSequence` of their own: `cache.extract(video.speech, medium.audio)` gives the same from the cache.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ruxi.dialogues import Label, Word
from ruxi.errors import MediaError
from ruxi.features.registry import load_extractor
from ruxi.features.types import Extractor, FeatureSequence
from ruxi.features.versions import version_of
from ruxi.media import Medium, Video


class VideoFrames:
    """Timed frames with the words of the sound track.

    Args:
        image: Extractor of the frames, or its name.
        speech: Extractor of the sound track, or its name; None leaves the sound aside.
        labels: How many labels to keep.

    Attributes:
        speech: The extractor of the sound track.
    """

    name = "video"
    modality = "video"

    def __init__(
        self,
        image: Extractor | str = "efficientnet-lite0",
        speech: Extractor | str | None = "whisper-base",
        labels: int = 5,
    ) -> None:
        self._image = load_extractor(image) if isinstance(image, str) else image
        self.speech = load_extractor(speech) if isinstance(speech, str) else speech
        self._labels = labels
        self.width = self._image.width
        parts = [self._image, *([self.speech] if self.speech else [])]
        settings = {f"extractor {part.modality}": f"{part.name} {part.version}" for part in parts}
        self.version = version_of([], {"revision": 1, "labels": labels, **settings})

    def extract(self, medium: Medium) -> FeatureSequence:
        """Look at a video's frames and listen to its sound.

        Args:
            medium: The video; which frames it has was chosen when it was opened.

        Returns:
            One vector a frame; labels by their best score in any frame; text and words of the sound track, in
            seconds from the video's start.

        Raises:
            MediaError: It is not a video, or has no frames.
            WeightsError: The weights of one of the two extractors are not installed.
        """
        video = _video(medium)
        if not video.frames:
            raise MediaError("no frames", where=video.source, remedy="Open it with more frames a second.")
        looks = [self._image.extract(frame) for frame in video.frames]
        values = [look.values.mean(axis=0, dtype=np.float32) for look in looks]
        times = [[frame.start - video.start, frame.end - video.start] for frame in video.frames]
        heard = self.sound(video)
        return FeatureSequence(
            np.stack(values).astype(np.float16),
            np.asarray(times, dtype=np.float32),
            labels=_merged([look.labels for look in looks], self._labels),
            text=heard.text if heard else None,
            words=_shifted(heard.words, video) if heard else (),
            language=heard.language if heard else None,
            language_probability=heard.language_probability if heard else None,
        )

    def sound(self, medium: Medium) -> FeatureSequence | None:
        """The features of the sound track, in seconds from its own start; None for a silent video.

        Raises:
            MediaError: It is not a video.
        """
        video = _video(medium)
        return self.speech.extract(video.audio) if self.speech and video.audio else None


def _video(medium: Medium) -> Video:
    if not isinstance(medium, Video):
        raise MediaError(f"the extractor 'video' looks at videos, not at {medium.kind}", where=medium.source)
    return medium


def _merged(labels: Sequence[Sequence[Label]], most: int) -> tuple[Label, ...]:
    """Labels of several pictures, each with its best score, best first."""
    found: dict[str, list[Label]] = defaultdict(list)
    for label in (label for one in labels for label in one):
        found[label.name].append(label)
    best = [max(same, key=lambda label: label.score) for same in found.values()]
    return tuple(sorted(best, key=lambda label: -label.score)[:most])


def _shifted(words: Sequence[Word], video: Video) -> tuple[Word, ...]:
    """Words of the sound track on the video's time; the track may begin a little before or after the picture."""
    offset = video.audio.start - video.start if video.audio else 0.0
    return tuple(
        word.model_copy(update={"start": max(0.0, word.start + offset), "end": max(0.0, word.end + offset)})
        for word in words
    )
