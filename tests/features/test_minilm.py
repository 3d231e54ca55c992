"""Sentence vectors lie close where meanings do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ruxi.dialogues.embedder import Embedder
from ruxi.errors import MediaError, WeightsError
from ruxi.features import Extractor, load_embedder, load_extractor
from ruxi.features.minilm import MiniLM
from tests.features.sounds import sound_of


@pytest.fixture(scope="module")
def reader() -> MiniLM:
    return MiniLM()


@pytest.mark.weights
def test_the_published_example_gives_its_similarities(reader: MiniLM) -> None:
    """The example of the model's card on the hub, with the similarities printed there."""
    vectors = reader.embed(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."],
    )
    expected = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    assert np.allclose(vectors @ vectors.T, expected, atol=2e-3)


@pytest.mark.weights
def test_a_batch_gives_what_single_texts_give_in_their_order(reader: MiniLM) -> None:
    texts = [f"word {'very ' * (index % 7)}{index}" for index in range(70)]
    vectors = reader.embed(texts)
    assert vectors.shape == (70, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for index in (0, 1, 33, 69):
        assert np.allclose(reader.embed([texts[index]])[0], vectors[index], atol=1e-5)


@pytest.mark.weights
def test_no_text_an_empty_one_and_an_endless_one_are_taken(reader: MiniLM) -> None:
    assert reader.embed([]).shape == (0, 384)
    empty, endless = reader.embed(["", "storm " * 5000])
    assert np.isfinite(empty).all()
    assert np.isfinite(endless).all()
    # What lies beyond 256 tokens is not read.
    assert np.allclose(endless, reader.embed(["storm " * 4000])[0], atol=1e-5)


@pytest.mark.weights
def test_it_is_an_extractor_of_texts(reader: MiniLM) -> None:
    found = reader.extract("A storm is coming.")
    assert found.values.shape == (1, 384)
    assert found.values.dtype == np.float16
    assert found.times.tolist() == [[0, 0]]


def test_other_media_are_refused(reader: MiniLM) -> None:
    with pytest.raises(MediaError, match="reads texts, not audio"):
        reader.extract(sound_of(np.zeros(100)))


def test_missing_weights_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUXI_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="ruxi pull all-minilm-l6-v2"):
        load_embedder().embed(["hello"])


def test_it_serves_the_checks_of_data_sets() -> None:
    embedder: Embedder = load_embedder()
    assert embedder.name == "all-minilm-l6-v2"
    assert isinstance(load_extractor("all-minilm-l6-v2"), Extractor)
