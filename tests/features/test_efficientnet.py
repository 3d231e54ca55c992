"""EfficientNet-Lite0 sees what is in known photographs."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from ruxi.errors import MediaError, WeightsError
from ruxi.features import Extractor, FeatureSequence, load_extractor
from ruxi.features.efficientnet import EfficientNet, class_names, crop_of
from ruxi.features.efficientnet_network import EfficientNetLite0, SameConv2d
from ruxi.media import Audio, Image, open_image


def _picture(pixels: np.ndarray, start: float = 0.0, end: float = 0.0) -> Image:
    return Image(pixels, "0" * 64, start, end, "test")


@pytest.fixture(scope="module")
def eye() -> EfficientNet:
    return EfficientNet()


def _names(found: FeatureSequence) -> list[str]:
    return [label.name for label in found.labels]


def test_there_are_a_thousand_distinct_class_names_fit_for_a_sentence() -> None:
    names = class_names()
    assert len(names) == len(set(names)) == 1000
    assert all(name == name.strip() and "," not in name and name for name in names)
    assert (names[0], names[281], names[504], names[967], names[999]) == (
        "tench",
        "tabby cat",
        "coffee mug",
        "espresso",
        "toilet paper",
    )


def test_the_network_has_the_published_size() -> None:
    # 4.652 million parameters are published for EfficientNet-Lite0.
    assert sum(parameter.numel() for parameter in EfficientNetLite0().parameters()) == pytest.approx(4.652e6, rel=1e-3)


def test_padding_puts_the_odd_pixel_after_the_picture() -> None:
    convolution = SameConv2d(1, 1, 3, stride=2)
    torch.nn.init.ones_(convolution.weight)
    corner = torch.zeros(1, 1, 4, 4)
    corner[0, 0, 3, 3] = 1.0
    # Windows start at 0 and 2, so that only the last of them reaches the last pixel.
    assert convolution(corner)[0, 0].tolist() == [[0.0, 0.0], [0.0, 1.0]]
    first = torch.zeros(1, 1, 4, 4)
    first[0, 0, 0, 0] = 1.0
    assert convolution(first)[0, 0].tolist() == [[1.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(("height", "width"), [(224, 224), (300, 451), (1, 1), (3, 5000)])
def test_the_square_that_is_seen_lies_in_the_middle(height: int, width: int) -> None:
    top, left, side = crop_of(height, width)
    assert 0 <= top <= height - side
    assert 0 <= left <= width - side
    assert abs(2 * top + side - height) <= 1
    assert abs(2 * left + side - width) <= 1


def test_other_media_are_refused_by_name(eye: EfficientNet) -> None:
    sound = Audio(np.zeros(16000, dtype=np.float32), "0" * 64, 0.0, 1.0, "a.wav")
    with pytest.raises(MediaError, match=r"a\.wav: efficientnet-lite0 looks at pictures, not at audio"):
        eye.extract(sound)


def test_missing_weights_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUXI_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="ruxi pull efficientnet-lite0"):
        EfficientNet().extract(_picture(np.zeros((10, 10, 3), dtype=np.uint8)))


def test_the_version_changes_with_the_settings_and_needs_no_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUXI_HOME", str(tmp_path))
    assert EfficientNet().version == EfficientNet().version != EfficientNet(labels=3).version


@pytest.mark.weights
@pytest.mark.parametrize(
    ("photograph", "expected"),
    [
        ("chelsea", {"tabby cat", "tiger cat", "Egyptian cat"}),
        ("coffee", {"espresso"}),
        ("rocket", {"missile", "projectile", "space shuttle"}),
        ("stereo_motorcycle", {"moped", "motor scooter"}),
    ],
)
def test_known_photographs_get_their_labels(eye: EfficientNet, photograph: str, expected: set[str]) -> None:
    data = pytest.importorskip("skimage.data")
    loaded = getattr(data, photograph)()
    found = eye.extract(_picture(loaded[0] if isinstance(loaded, tuple) else loaded))
    assert _names(found)[0] in expected
    assert found.labels[0].source == "efficientnet-lite0"
    assert 1 >= found.labels[0].score > found.labels[-1].score > 0


@pytest.mark.weights
def test_the_features_are_a_grid_over_the_time_of_the_picture(eye: EfficientNet) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    found = eye.extract(_picture(pixels, start=3.0, end=5.5))
    assert found.values.shape == (49, 1280)
    assert found.values.dtype == np.float16
    assert found.values.min() >= 0
    assert found.values.max() <= 6
    assert found.times.dtype == np.float32
    assert found.times.tolist() == [[0.0, 2.5]] * 49
    assert isinstance(eye, Extractor)


@pytest.mark.weights
def test_the_grid_runs_row_by_row_from_the_top_left(eye: EfficientNet) -> None:
    """A cat's face in one quarter changes that quarter's vectors most."""
    data = pytest.importorskip("skimage.data")
    empty = np.full((448, 448, 3), 127, dtype=np.uint8)
    marked = empty.copy()
    marked[60:220, 230:390] = data.chelsea()[30:190, 130:290]  # upper right
    change = np.abs(
        eye.extract(_picture(marked)).values.astype(np.float32) - eye.extract(_picture(empty)).values.astype(np.float32)
    ).sum(axis=1)
    grid = change.reshape(7, 7)
    assert grid[:3, 4:].mean() > 2 * grid[4:, :3].mean()


@pytest.mark.weights
@pytest.mark.real_data
def test_weather_photographs_show_what_belongs_to_the_weather(eye: EfficientNet, real_data: Path) -> None:
    folder = real_data / "weather"
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for label in ("rain", "sunrise"):
        for row in [row for row in rows if row["label"] == label][::24][:8]:
            seen[label].update(_names(eye.extract(open_image(folder / row["image"]))))
    assert seen["rain"]["umbrella"] > 4 * seen["sunrise"]["umbrella"]
    assert seen["sunrise"]["beach"] > 4 * seen["rain"]["beach"]


def test_the_extractor_is_registered() -> None:
    assert isinstance(load_extractor("efficientnet-lite0", labels=2), EfficientNet)
