"""Metrics, as plain functions of arrays.

Ties count as if they were broken by lot, so that a model that cannot tell candidates apart scores exactly at chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def standing(scores: Sequence[float], gold: int) -> tuple[int, int]:
    """How a candidate stands among all.

    Args:
        scores: Score of each candidate, higher is better; not a number counts as the lowest.
        gold: Index of the right one.

    Returns:
        How many are better, and how many others are just as good.
    """
    values = np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    better = int((values > values[gold]).sum())
    return better, int((values == values[gold]).sum()) - 1


def hits_at(k: int, better: int, ties: int) -> float:
    """Chance that the right candidate is among the first k."""
    return float(np.clip((k - better) / (ties + 1), 0.0, 1.0))


def reciprocal_rank(better: int, ties: int) -> float:
    """Expected reciprocal rank of the right candidate."""
    return float(np.mean([1.0 / (better + place) for place in range(1, ties + 2)]))


def confusion(gold: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int) -> Floats:
    """Counts `[gold class, predicted class]`."""
    counts = np.bincount(gold * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.float64)


def f1_scores(counts: Floats) -> Floats:
    """F1 of each class of a confusion matrix; 0 for a class that neither occurs nor is predicted."""
    both = counts.sum(axis=0) + counts.sum(axis=1)
    found: Floats = np.divide(2 * np.diag(counts), both, out=np.zeros(len(counts)), where=both > 0)
    return found


def weighted_f1(counts: Floats) -> float:
    """F1 of the classes, weighted by how often each occurs."""
    return float((f1_scores(counts) * counts.sum(axis=1)).sum() / max(counts.sum(), 1))


def macro_f1(counts: Floats) -> float:
    """Mean F1 of the classes that occur or are predicted."""
    present = counts.sum(axis=0) + counts.sum(axis=1) > 0
    return float(f1_scores(counts)[present].mean()) if present.any() else 0.0


def unweighted_accuracy(counts: Floats) -> float:
    """Mean recall of the classes that occur: the usual measure of speech emotion recognition."""
    occurring = counts.sum(axis=1) > 0
    return float((np.diag(counts)[occurring] / counts.sum(axis=1)[occurring]).mean()) if occurring.any() else 0.0


def distinct(texts: Sequence[Sequence[str]], n: int) -> float:
    """Distinct-n (Li et al., NAACL 2016): different n-grams over all n-grams of some texts.

    Args:
        texts: Words of each text.
        n: Length of the n-grams.
    """
    grams = [gram for words in texts for gram in n_grams(words, n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def repetition(words: Sequence[str], n: int = 4) -> float:
    """Share of a text's n-grams that stood in it before."""
    grams = n_grams(words, n)
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def n_grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All runs of n words."""
    return [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
