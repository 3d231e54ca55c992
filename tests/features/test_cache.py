"""Features are computed once, whatever happens to the processes and the files in between."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruxi.dialogues import Label, Word
from ruxi.errors import UsageError
from ruxi.features import FeatureCache, FeatureSequence
from ruxi.media import Image, Medium, Video
from tests.features.cache_worker import Numbers, digest, features_of


class Counting:
    """Looks at pictures and videos, and counts how often."""

    name, version, modality, width = "tests/counting:v1", "1", "image", 3

    def __init__(self, version: str = "1") -> None:
        self.version = version
        self.looked = 0

    def extract(self, medium: Medium) -> FeatureSequence:
        self.looked += 1
        frames = medium.frames if isinstance(medium, Video) else (medium,)
        values = [frame.pixels.mean(axis=(0, 1)) for frame in frames if isinstance(frame, Image)]
        return FeatureSequence(np.array(values, dtype=np.float16), np.zeros((len(values), 2), dtype=np.float32))


def _picture(shade: int = 7) -> Image:
    return Image(np.full((4, 4, 3), shade, dtype=np.uint8), digest(shade), 0.0, 0.0, "a.png")


def _same(left: FeatureSequence, right: FeatureSequence) -> bool:
    return all(
        np.array_equal(one, other) and one.dtype == other.dtype if isinstance(one, np.ndarray) else one == other
        for one, other in (
            (getattr(left, field.name), getattr(right, field.name)) for field in dataclasses.fields(FeatureSequence)
        )
    )


def _file(cache: FeatureCache) -> Path:
    (path,) = cache.root.glob("*/*/*.safetensors")
    return path


def test_a_medium_is_looked_at_once_for_all_who_share_the_folder(tmp_path: Path) -> None:
    extractor = Counting()
    first = FeatureCache(tmp_path).extract(extractor, _picture())
    second = FeatureCache(tmp_path).extract(extractor, _picture())
    assert extractor.looked == 1
    assert _same(first, second)
    known = FeatureCache(tmp_path).get(_picture().sha256, Counting())
    assert known is not None
    assert _same(known, first)


def test_another_medium_another_version_and_another_extractor_are_not_mixed_up(tmp_path: Path) -> None:
    cache, old, new = FeatureCache(tmp_path), Counting("1"), Counting("2")
    cache.extract(old, _picture(7))
    assert cache.get(digest(8), old) is None
    assert cache.get(digest(7), new) is None
    assert cache.get(digest(7), Numbers()) is None
    cache.extract(new, _picture(7))
    assert (old.looked, new.looked) == (1, 1)


_TEXTS = st.text(max_size=20)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.integers(0, 5),
    width=st.integers(1, 9),
    labels=st.lists(st.builds(Label, name=_TEXTS, score=st.floats(0, 1), source=st.none() | _TEXTS), max_size=3),
    words=st.lists(st.builds(Word, text=_TEXTS, start=st.floats(0, 9), end=st.floats(0, 9)), max_size=3),
    text=st.none() | _TEXTS,
    language=st.none() | st.just("zh"),
)
def test_everything_survives_the_round_trip(
    tmp_path: Path,
    rows: int,
    width: int,
    labels: list[Label],
    words: list[Word],
    text: str | None,
    language: str | None,
) -> None:
    random = np.random.default_rng(rows * width)
    found = FeatureSequence(
        random.normal(size=(rows, width)).astype(np.float16),
        random.normal(size=(rows, 2)).astype(np.float32),
        labels=tuple(labels),
        text=text,
        words=tuple(words),
        language=language,
        language_probability=0.25 if language else None,
    )
    FeatureCache(tmp_path).put(digest(1), Numbers(), found)
    known = FeatureCache(tmp_path).get(digest(1), Numbers())
    assert known is not None
    assert _same(known, found)
    assert known.labels == found.labels


def test_features_from_the_cache_cannot_be_changed_by_accident(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.extract(Counting(), _picture())
    known = cache.get(digest(7), Counting())
    assert known is not None
    with pytest.raises(ValueError, match="read-only"):
        known.values[0, 0] = 1


@pytest.mark.parametrize("damage", ["empty", "header", "truncated", "a flipped bit", "other json", "not ours"])
def test_a_damaged_entry_is_computed_again_and_repaired(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    extractor = Counting()
    good = FeatureCache(tmp_path).extract(extractor, _picture())
    path = _file(FeatureCache(tmp_path))
    data = bytearray(path.read_bytes())
    if damage == "empty":
        data = bytearray()
    elif damage == "header":
        data[:8] = b"\xff" * 8
    elif damage == "truncated":
        del data[-3:]
    elif damage == "a flipped bit":
        data[-1] ^= 0x10
    elif damage == "other json":
        data = bytearray(bytes(data).replace(b'\\"language\\"', b'\\"langwage\\"'))
    else:
        from safetensors.numpy import save

        data = bytearray(save({"weights": np.zeros(3)}))
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        assert FeatureCache(tmp_path).get(digest(7), extractor) is None
    assert "is damaged" in caplog.text
    assert _same(FeatureCache(tmp_path).extract(extractor, _picture()), good)
    assert extractor.looked == 2
    known = FeatureCache(tmp_path).get(digest(7), extractor)
    assert known is not None
    assert _same(known, good)


def test_a_video_is_looked_at_again_when_other_frames_were_taken(tmp_path: Path) -> None:
    def video(*shades: int) -> Video:
        frames = tuple(_picture(shade) for shade in shades)
        return Video(frames, None, digest(99), 0.0, 3.0, 3.0, "v.mp4")

    cache, extractor = FeatureCache(tmp_path), Counting()
    assert len(cache.extract(extractor, video(1, 2)).values) == 2
    assert len(cache.extract(extractor, video(1, 2)).values) == 2
    assert extractor.looked == 1
    assert len(cache.extract(extractor, video(1, 2, 3)).values) == 3
    known = cache.get(digest(99), extractor)
    assert known is not None
    assert len(known.values) == 3


def test_a_picture_shown_for_another_time_has_other_times(tmp_path: Path) -> None:
    cache, extractor = FeatureCache(tmp_path), Counting()
    shown = dataclasses.replace(_picture(), end=2.0)
    for picture, looked in ((_picture(), 1), (shown, 2), (dataclasses.replace(shown, start=5.0, end=7.0), 2)):
        cache.extract(extractor, picture)
        assert extractor.looked == looked


def test_a_name_that_is_no_digest_does_not_reach_the_disk(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a SHA-256"):
        FeatureCache(tmp_path).get("../../etc/passwd", Counting())


def test_a_folder_that_cannot_be_written_costs_only_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    found = FeatureCache(tmp_path / "file" / "cache").extract(Counting(), _picture())
    assert found.values.tolist() == [[7, 7, 7]]
    assert "features are not kept" in caplog.text


def test_the_default_folder_follows_ruxi_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUXI_HOME", str(tmp_path))
    assert FeatureCache().root == tmp_path / "features"


def test_usage_and_pruning_by_version_and_size(tmp_path: Path) -> None:
    cache, old, new = FeatureCache(tmp_path), Counting("1"), Counting("2")
    for shade in range(4):
        cache.extract(old, _picture(shade))
        cache.extract(new, _picture(shade))
        time.sleep(0.01)
    size = sum(path.stat().st_size for path in tmp_path.glob("*/*/*"))
    usage = cache.usage()
    assert [entry.entries for entry in usage.values()] == [4, 4]
    assert sum(entry.bytes for entry in usage.values()) == size
    assert all(name.startswith("tests_counting_v1-") for name in usage)
    assert cache.prune(keep=[new]).entries == 4
    assert cache.get(digest(0), old) is None
    assert cache.prune(max_bytes=size // 4).entries == 2
    assert [cache.get(digest(shade), new) is None for shade in range(4)] == [True, True, False, False]
    assert cache.prune(max_bytes=0).entries == 2
    assert list(tmp_path.iterdir()) == []
    assert cache.prune().entries == 0


def test_pruning_leaves_what_is_not_the_caches(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.extract(Counting(), _picture())
    folder = _file(cache).parent
    others = [tmp_path / "notes-today" / "ab" / "x.safetensors", folder / ".gitignore", folder / "mine.safetensors"]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        os.utime(path, (0, 0))
    cache.prune(max_bytes=0)
    assert all(path.exists() for path in others)


def _start(root: Path, first: int, last: int) -> subprocess.Popen[str]:
    worker = Path(__file__).with_name("cache_worker.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, str(worker), str(root), str(first), str(last)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_writers_that_race_and_are_killed_never_show_a_reader_a_part(tmp_path: Path) -> None:
    """Three processes write the same twelve entries; they are killed in the middle of it, again and again."""
    extractor = Numbers()
    seen = 0
    for _ in range(2):
        workers = [_start(tmp_path, 0, 12) for _ in range(3)]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            for number in range(12):
                cache = FeatureCache(tmp_path)  # a new one verifies the checksum again
                known = cache.get(digest(number), extractor)
                if known is not None:
                    assert _same(known, features_of(digest(number)))
                    seen += 1
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
        for worker in workers:
            worker.wait()
            assert worker.stdout is not None
            worker.stdout.close()
    assert seen > 50
    cache = FeatureCache(tmp_path)
    for number in range(12):
        known = cache.get(digest(number), extractor)
        assert known is not None
        assert _same(known, features_of(digest(number)))


def test_what_a_killed_writer_left_is_removed_later(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.extract(Counting(), _picture())
    path = _file(cache)
    old, young = path.with_name(f".{path.name}.abcd"), path.with_name(f".{path.name}.efgh")
    for leftover in (old, young):
        leftover.write_bytes(b"half")
    os.utime(old, (0, 0))
    cache.prune()
    assert not old.exists()
    assert young.exists()
    assert path.exists()
    assert next(iter(cache.usage().values())).entries == 1
