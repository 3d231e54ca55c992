"""What needs no language model: word overlap by TF-IDF, the most frequent class, and chance."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer


_WORD = re.compile(r"[㐀-鿿]|[^\W㐀-鿿]+")
_TOKEN = re.compile(r"[㐀-鿿]|[^\W㐀-鿿]+|[!?…]")


def words_of(text: str) -> list[str]:
    """Words in lower case; single characters of scripts without spaces."""
    return _WORD.findall(text.lower())


def vectoriser(longest: int = 1) -> TfidfVectorizer:
    """TF-IDF over words and the signs that carry a tone; runs of so many of them at most."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(tokenizer=_tokens_of, token_pattern=None, ngram_range=(1, longest), sublinear_tf=True)


def overlap(contexts: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float64]]:
    """Cosine of TF-IDF vectors of each context and its candidates.

    Args:
        contexts: One text an item.
        candidates: Texts to choose from, an item.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = sorted({*contexts, *(text for several in candidates for text in several)})
    model = TfidfVectorizer(tokenizer=words_of, token_pattern=None, stop_words="english", sublinear_tf=True).fit(texts)
    scores = []
    for context, several in zip(contexts, candidates, strict=True):
        similarities = model.transform(several) @ model.transform([context]).T
        scores.append(similarities.toarray()[:, 0].astype(np.float64))
    return scores


def classified(texts: Sequence[str], labels: Sequence[str], unknown: Sequence[str], *, seed: int = 0) -> list[str]:
    """Labels by TF-IDF and logistic regression.

    Args:
        texts: Texts to learn from.
        labels: Their labels.
        unknown: Texts to label.
        seed: Seeds the solver.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(vectoriser(2), LogisticRegression(C=4.0, max_iter=1000, random_state=seed))
    model.fit(list(texts), list(labels))
    return [str(label) for label in model.predict(list(unknown))]


def majority(labels: Sequence[str]) -> str:
    """The most frequent label; of several, the first in the alphabet."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def _tokens_of(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())
