"""A video is its frames at their times, and the words of its sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ruxi.dialogues import Label, Word
from ruxi.errors import MediaError
from ruxi.features import Extractor, FeatureCache, FeatureSequence
from ruxi.features.video import VideoFrames
from ruxi.media import Audio, Image, Medium, Video, open_video
from tests.features.sounds import sound_of
from tests.media.samples import encoded_video


class Brightness:
    """A real, tiny extractor of pictures: brightness of four quarters, and whether it is day."""

    name, version, modality, width = "brightness", "1", "image", 2

    def extract(self, medium: Medium) -> FeatureSequence:
        assert isinstance(medium, Image)
        mean = medium.pixels.mean() / 255
        labels = (Label(name="day", score=mean), Label(name="night", score=1 - mean))
        values = np.array([[mean, 0], [mean, 1]], dtype=np.float16)
        return FeatureSequence(values, np.zeros((2, 2), dtype=np.float32), labels=labels)


class Clapping:
    """A real, tiny extractor of sound: the loudest moment is a word."""

    name, version, modality, width = "clapping", "1", "speech", 1

    def extract(self, medium: Medium) -> FeatureSequence:
        assert isinstance(medium, Audio)
        second = float(np.abs(medium.samples).argmax() / medium.rate)
        values = np.full((2, 1), second, dtype=np.float16)
        word = Word(text="clap", start=second, end=second + 0.1)
        return FeatureSequence(values, np.zeros((2, 2), dtype=np.float32), text="clap", words=(word,), language="en")


def _video(sound_start: float | None = 10.0) -> Video:
    frames = tuple(
        Image(np.full((8, 8, 3), shade, dtype=np.uint8), f"{shade:064d}", 10.0 + at, 10.0 + at + 1.5, "v.mp4")
        for at, shade in ((0.0, 0), (1.5, 204), (3.0, 51))
    )
    audio = None
    if sound_start is not None:
        samples = np.zeros(4 * 16_000)
        samples[2 * 16_000] = 1.0
        audio = sound_of(samples, start=sound_start)
    return Video(frames, audio, "a" * 64, 10.0, 14.5, 4.5, "v.mp4")


@pytest.fixture
def video() -> VideoFrames:
    return VideoFrames(Brightness(), Clapping())


def test_every_frame_is_one_vector_at_its_time(video: VideoFrames) -> None:
    found = video.extract(_video())
    assert found.values.dtype == np.float16
    assert np.allclose(found.values, [[0, 0.5], [0.8, 0.5], [0.2, 0.5]], atol=1e-3)
    assert found.times.tolist() == [[0, 1.5], [1.5, 3.0], [3.0, 4.5]]
    assert isinstance(video, Extractor)
    assert (video.modality, video.width) == ("video", 2)


def test_labels_of_all_frames_are_merged_by_their_best_score(video: VideoFrames) -> None:
    labels = video.extract(_video()).labels
    assert [(label.name, round(label.score, 2)) for label in labels] == [("night", 1.0), ("day", 0.8)]


def test_words_of_the_sound_are_on_the_time_of_the_video(video: VideoFrames) -> None:
    found = video.extract(_video(sound_start=10.25))
    assert (found.text, found.language) == ("clap", "en")
    assert found.words[0].start == pytest.approx(2.25)
    assert found.words[0].end == pytest.approx(2.35)


def test_the_states_of_the_sound_are_features_of_their_own(video: VideoFrames) -> None:
    sound = video.sound(_video())
    assert sound is not None
    assert sound.values.tolist() == [[2], [2]]


def test_a_silent_video_and_an_extractor_without_ears_have_no_words(video: VideoFrames) -> None:
    silent = video.extract(_video(sound_start=None))
    deaf = VideoFrames(Brightness(), None)
    assert silent.text is None
    assert deaf.extract(_video()).text is None
    assert video.sound(_video(sound_start=None)) is None
    assert deaf.sound(_video()) is None


def test_the_version_covers_both_extractors(video: VideoFrames) -> None:
    other = Brightness()
    other.version = "2"
    assert len({video.version, VideoFrames(other, Clapping()).version, VideoFrames(Brightness(), None).version}) == 3


def test_other_media_and_videos_without_frames_are_refused(video: VideoFrames) -> None:
    with pytest.raises(MediaError, match="looks at videos, not at audio"):
        video.extract(sound_of(np.zeros(10)))
    with pytest.raises(MediaError, match=r"v\.mp4: no frames"):
        video.extract(Video((), None, "a" * 64, 0.0, 0.0, 0.0, "v.mp4"))


@pytest.mark.weights
def test_the_built_in_one_names_what_the_frames_show() -> None:
    data = pytest.importorskip("skimage.data")
    pictures = [data.chelsea(), data.coffee()]
    frames = tuple(Image(pixels, f"{at:064d}", float(at), at + 1.0, "v.mp4") for at, pixels in enumerate(pictures))
    found = VideoFrames(speech=None).extract(Video(frames, None, "a" * 64, 0.0, 2.0, 2.0, "v.mp4"))
    assert found.values.shape == (2, 1280)
    names = [label.name for label in found.labels]
    assert names[0] == "espresso"
    assert set(names) & {"tabby cat", "tiger cat", "Egyptian cat"}


def test_a_real_file_is_looked_at_once_for_each_choice_of_frames(tmp_path: Path, video: VideoFrames) -> None:
    file = encoded_video("mp4", "libx264", sound="aac", seconds=3.0)
    cache = FeatureCache(tmp_path)
    found = cache.extract(video, open_video(file, frames_per_second=1))
    assert len(found.values) == len(found.times) == 3
    assert found.times[:, 0].tolist() == pytest.approx([0, 1, 2], abs=0.1)
    assert found.text == "clap"
    again = cache.extract(video, open_video(file, frames_per_second=1, start=60.0))
    assert again.times.tolist() == found.times.tolist()
    assert len(cache.extract(video, open_video(file, frames_per_second=2)).values) == 6
