"""Annotators without any model file: languages, and a classifier that is trained on the spot from a labelled set."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ruxi.dialogues.annotation.items import said_in
from ruxi.dialogues.annotation.types import Answer, Field, Item
from ruxi.dialogues.embedder import Embedder
from ruxi.dialogues.extra import require_extra
from ruxi.dialogues.language import detect_language
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.words import words_of
from ruxi.errors import DataError

_FEWEST = 20
_MOST = 50_000


class LanguageAnnotator:
    """Names the language of what is said; short texts without a clear language get none."""

    name = "py3langid"
    version = "1"
    fields: frozenset[Field] = frozenset({"language"})
    context_turns = 0
    batch = 256

    def annotate(self, items: Sequence[Item]) -> list[Answer | None]:
        """The language of each text."""
        found = [detect_language(item.text) for item in items]
        return [{"language": [one.code, round(one.confidence, 4)]} if one else None for one in found]


class ClassifierAnnotator:
    """Logistic regression on words, word pairs and (given an embedder) sentence embeddings.

    Trained when it is made, on the labelled turns of dialogues that the user names. Its confidence is the predicted
    probability; classes are weighted by their rarity.

    Args:
        field: `emotion` or `intent`.
        dialogues: Labelled dialogues.
        embedder: Adds sentence embeddings to the words.

    Raises:
        DataError: Too few labelled turns, or only one label among them.
    """

    context_turns = 1
    batch = 256

    def __init__(
        self, field: Literal["emotion", "intent"], dialogues: Iterable[Dialogue], embedder: Embedder | None = None
    ) -> None:
        self.fields: frozenset[Field] = frozenset({field})
        self._field = field
        self._embedder = embedder
        texts, labels = _examples(field, dialogues)
        if len(texts) < _FEWEST or len(set(labels)) < 2:
            raise DataError(
                f"{len(texts)} turns with {len(set(labels))} different labels are too few to learn {field!r} from",
                remedy=f"Label at least {_FEWEST} turns with two or more labels, or leave {field!r} out (`--fields`).",
            )
        digest = hashlib.sha256(repr((texts, labels, embedder.name if embedder else None)).encode("utf-8", "replace"))
        self.version = digest.hexdigest()[:16]
        self.name = f"classifier-{field}"
        text = require_extra("sklearn.feature_extraction.text")
        linear = require_extra("sklearn.linear_model")
        self._vectorizer: Any = text.TfidfVectorizer(
            analyzer=_features_of, min_df=2 if len(texts) > 500 else 1, sublinear_tf=True
        )
        self._vectorizer.fit(texts)
        self._model: Any = linear.LogisticRegression(C=4.0, max_iter=2000, class_weight="balanced")
        self._model.fit(self._vectors(texts), labels)

    def annotate(self, items: Sequence[Item]) -> list[Answer | None]:
        """The most likely label of each turn."""
        probabilities: npt.NDArray[np.float64] = self._model.predict_proba(
            self._vectors([_example(item.text, [text for _, text in item.context]) for item in items])
        )
        best = probabilities.argmax(axis=1)
        return [
            {self._field: [str(self._model.classes_[one]), round(float(row[one]), 4)]}
            for one, row in zip(best, probabilities, strict=True)
        ]

    def _vectors(self, texts: list[str]) -> Any:
        counts = self._vectorizer.transform(texts)
        if self._embedder is None:
            return counts
        sparse = require_extra("scipy.sparse")
        vectors = self._embedder.embed([text.partition("\0")[0] for text in texts])
        return sparse.hstack([counts, sparse.csr_matrix(2.0 * vectors)]).tocsr()


def _examples(field: str, dialogues: Iterable[Dialogue]) -> tuple[list[str], list[str]]:
    texts: list[str] = []
    labels: list[str] = []
    for dialogue in dialogues:
        before: list[str] = []
        for turn in dialogue.turns:
            said, label = said_in(turn), getattr(turn, field)
            if label is not None and said.strip() and len(texts) < _MOST:
                texts.append(_example(said, before))
                labels.append(label)
            before = [said]
    return texts, labels


def _example(said: str, before: Sequence[str]) -> str:
    """A turn with the one before it, behind a mark that no text holds."""
    return said + "\0" + "\n".join(before)


def _features_of(example: str) -> list[str]:
    said, _, before = example.partition("\0")
    words = words_of(said)
    pairs = [f"{one} {two}" for one, two in itertools.pairwise(words)]
    marks = [mark for mark in ("!", "?", "...", "…", "！", "？") if mark in said]
    return words + pairs + marks + [f"<{word}" for word in words_of(before)]
