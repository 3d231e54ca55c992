"""How sure a number is, and whether two models differ.

Items cut from one dialogue are not independent, so resampling draws whole clusters. Every draw comes from a seeded
generator: the same records give the same interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Columns = Mapping[str, npt.NDArray[np.generic]]
"""Values of some records, by name."""

Measure = Callable[[Columns], float]

SAMPLES = 1000
_SEED = 20240229


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % bootstrap interval (percentiles; Efron, 1979).

    Attributes:
        value: Of all records.
        low: 2.5th percentile.
        high: 97.5th percentile.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Two models on the same items.

    Attributes:
        value: Second minus first.
        low: 2.5th percentile of the paired bootstrap.
        high: 97.5th percentile.
        p_value: Chance of a difference at least as large if it did not matter which model gave which record
            (approximate randomisation, Noreen 1989).
    """

    value: float
    low: float
    high: float
    p_value: float


def take(columns: Columns, indices: npt.NDArray[np.int64]) -> Columns:
    """The columns of some records."""
    return {name: values[indices] for name, values in columns.items()}


def bootstrap(columns: Columns, measure: Measure, clusters: Sequence[str], samples: int = SAMPLES) -> Interval:
    """A measure with its interval.

    Args:
        columns: Values of all records.
        measure: What is computed from them.
        clusters: What each record belongs to; records of one cluster are drawn together.
        samples: Number of draws.
    """
    value = measure(columns)
    drawn = [measure(take(columns, indices)) for indices in _draws(clusters, samples)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5]) if np.isfinite(drawn).any() else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high))


def compare(
    first: Columns, second: Columns, measure: Measure, clusters: Sequence[str], samples: int = SAMPLES
) -> Difference:
    """The difference of a measure between two models, with interval and significance.

    Args:
        first: Records of one model.
        second: Records of the other, on the same items in the same order.
        measure: What is computed from them.
        clusters: What each item belongs to.
        samples: Number of draws, for both tests.
    """
    # What only one of the two was measured on cannot change sides.
    shared = first.keys() & second.keys()
    first = {name: values for name, values in first.items() if name in shared}
    second = {name: values for name, values in second.items() if name in shared}
    value = measure(second) - measure(first)
    drawn = [measure(take(second, i)) - measure(take(first, i)) for i in _draws(clusters, samples)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5]) if np.isfinite(drawn).any() else (np.nan, np.nan)
    names, membership = np.unique(np.asarray(clusters), return_inverse=True)
    random = np.random.default_rng(_SEED + 1)
    extreme = 0
    for _ in range(samples):
        swapped = (random.random(len(names)) < 0.5)[membership]
        one = {name: np.where(_like(swapped, values), second[name], values) for name, values in first.items()}
        two = {name: np.where(_like(swapped, values), first[name], values) for name, values in second.items()}
        extreme += abs(measure(two) - measure(one)) >= abs(value) - 1e-12
    return Difference(float(value), float(low), float(high), (extreme + 1) / (samples + 1))


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Rank correlation; 0 when one side does not vary."""
    ranks = np.stack([_ranks(first), _ranks(second)])
    spread = ranks.std(axis=1)
    if not (spread > 0).all():
        return 0.0
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    return float((centred[0] * centred[1]).mean() / spread.prod())


def partial_spearman(first: Sequence[float], second: Sequence[float], control: Sequence[float]) -> float:
    """Rank correlation of two values with a third held fixed, for example the length of an answer."""
    of_both, of_first, of_second = spearman(first, second), spearman(first, control), spearman(second, control)
    remaining = np.sqrt((1 - of_first**2) * (1 - of_second**2))
    return float((of_both - of_first * of_second) / remaining) if remaining > 1e-9 else 0.0


def length_controlled(
    scores: Sequence[float], lengths: Sequence[float], at: float | None = None
) -> npt.NDArray[np.float64]:
    """Scores with the linear effect of log-length taken out.

    Args:
        scores: One a text.
        lengths: Length of each text, in characters or tokens.
        at: Length at which all are compared; by default the geometric mean.
    """
    values, logs = np.asarray(scores, dtype=np.float64), np.log(np.maximum(lengths, 1))
    centre = logs.mean() if at is None else np.log(at)
    spread = ((logs - logs.mean()) ** 2).sum()
    slope = ((logs - logs.mean()) * (values - values.mean())).sum() / spread if spread > 0 else 0.0
    controlled: npt.NDArray[np.float64] = values - slope * (logs - centre)
    return controlled


def _draws(clusters: Sequence[str], samples: int) -> list[npt.NDArray[np.int64]]:
    """Record indices of each draw."""
    names, membership = np.unique(np.asarray(clusters), return_inverse=True)
    order = np.argsort(membership, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(membership))[:-1])
    random = np.random.default_rng(_SEED)
    single = len(names) == len(clusters)
    flat = np.concatenate(groups) if groups else order
    draws = []
    for _ in range(samples):
        drawn = random.integers(len(names), size=len(names))
        draws.append(flat[drawn] if single else np.concatenate([groups[index] for index in drawn]))
    return draws


def _ranks(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Ranks with ties averaged."""
    array = np.asarray(values, dtype=np.float64)
    _, inverse, counts = np.unique(array, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: npt.NDArray[np.float64] = (ends - (counts - 1) / 2)[inverse]
    return ranks


def _like(mask: npt.NDArray[np.bool_], values: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    return mask.reshape(-1, *([1] * (values.ndim - 1)))
