"""Sentence embeddings, as the rooms above hand them in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ruxi.dialogues.extra import require_extra
from ruxi.dialogues.words import words_of


class Embedder(Protocol):
    """Turns texts into vectors whose angle tells how alike their meanings are.

    Attributes:
        name: What reports call it.
    """

    name: str

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors of length 1, one a text, float32 `[texts, width]`."""
        ...


class WordEmbedder:
    """The stand-in when no sentence embedder is at hand: TF-IDF of words and word pairs, reduced to 128 dimensions.

    Fitted to the texts at hand (latent semantic analysis, Deerwester et al. 1990), so vectors of different calls do
    not compare.
    """

    name = "tf-idf"

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors of length 1 (0 for a text without known words), float32 `[texts, width]`.

        Raises:
            DataError: The extra `data` is not installed.
        """
        text = require_extra("sklearn.feature_extraction.text")
        decomposition = require_extra("sklearn.decomposition")
        vectorizer = text.TfidfVectorizer(analyzer=lambda t: _with_pairs(words_of(t)), min_df=1, sublinear_tf=True)
        try:
            counts = vectorizer.fit_transform(texts)
        except ValueError:  # Not one word in all the texts.
            return np.zeros((len(texts), 1), dtype=np.float32)
        width = min(128, counts.shape[0] - 1, counts.shape[1] - 1)
        if width < 1:
            return np.ones((len(texts), 1), dtype=np.float32)
        vectors = decomposition.TruncatedSVD(width, random_state=0).fit_transform(counts)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: npt.NDArray[np.float32] = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
        return unit


def _with_pairs(words: list[str]) -> list[str]:
    return words + [f"{one} {two}" for one, two in itertools.pairwise(words)]
