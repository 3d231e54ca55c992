"""Extractors are found by name; wrong names and settings are the user's to correct."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from ruxi.errors import UsageError
from ruxi.features import load_extractor


def test_every_built_in_is_registered_and_can_be_imported() -> None:
    found = {entry.name: entry.load() for entry in entry_points(group="ruxi.extractors")}
    assert set(found) >= {"efficientnet-lite0", "whisper-base", "all-minilm-l6-v2", "video", "hf-vision", "hf-speech"}
    assert all(callable(make) for make in found.values())


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no extractor is called 'resnet'.*efficientnet-lite0.*whisper-base"):
        load_extractor("resnet")


@pytest.mark.parametrize(
    ("name", "settings", "problem"),
    [
        ("efficientnet-lite0", {"colour": True}, "colour"),
        ("hf-vision", {}, "model"),
        ("all-minilm-l6-v2:large", {}, "too many positional arguments"),
    ],
)
def test_wrong_settings_are_named(name: str, settings: dict[str, bool], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        load_extractor(name, **settings)


def test_a_name_takes_its_argument_after_the_colon() -> None:
    with pytest.raises(UsageError, match="neither a folder, nor a hub id"):
        load_extractor("hf-vision:no such model")
