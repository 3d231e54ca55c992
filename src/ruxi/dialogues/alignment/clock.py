"""How the times of a text run against those of the sound: a constant offset and a linear drift.

RANSAC (Fischler and Bolles, 1981) finds the pairs that lie on one line, however many words were matched wrongly; the
Theil-Sen estimator (Sen, 1968) then fits the line to them. A drift is accepted only when its confidence interval
excludes none, because a few short turns would otherwise invent one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ruxi.dialogues.extra import require_extra

_FEWEST = 4
_FEWEST_FOR_DRIFT = 8
_SHORTEST_FOR_DRIFT = 30.0
"""Seconds between the first and the last pair below which a drift cannot be told from chance."""
_INLIER = 0.6
"""Seconds within which pairs agree: subtitles come a little early and stay a little late."""
_LARGEST_DRIFT = 0.08
"""25 frames a second played as 23.976 are 4.3 % apart, the largest drift that occurs in practice."""
_MOST = 400


@dataclass(frozen=True)
class Clock:
    """Sound time = `offset` + (1 + `drift`) x text time.

    Attributes:
        offset: In seconds, at text time 0.
        drift: Seconds gained a second.
        spread: Median distance of the pairs from the line, in seconds.
        agreeing: Share of the pairs that lie near the line.
        pairs: Number of pairs that were compared.
    """

    offset: float
    drift: float
    spread: float
    agreeing: float
    pairs: int

    def __call__(self, text_time: float) -> float:
        """The sound time of a text time, in seconds; never before the sound begins."""
        return max(0.0, self.offset + (1.0 + self.drift) * text_time)


def fit_clock(text_times: Sequence[float], sound_times: Sequence[float]) -> Clock | None:
    """Fit offset and drift to pairs of times.

    Args:
        text_times: When the text says that something is spoken, in seconds.
        sound_times: When it was heard, in seconds.

    Returns:
        The clock, or None when too few pairs agree on one.

    Raises:
        DataError: The extra `data` is not installed.
    """
    text, sound = np.asarray(text_times, dtype=float), np.asarray(sound_times, dtype=float)
    if len(text) < _FEWEST:
        return None
    near = _on_one_line(text, sound)
    if near.sum() < max(_FEWEST, 0.3 * len(text)):
        return None
    offset, drift = _line(text[near], sound[near])
    distance = np.abs(sound - (offset + (1 + drift) * text))
    return Clock(
        offset=float(offset),
        drift=float(drift),
        spread=float(np.median(distance[near])),
        agreeing=float((distance <= _INLIER).mean()),
        pairs=len(text),
    )


def _on_one_line(text: npt.NDArray[np.float64], sound: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """The pairs that lie near the line that has the most pairs near it."""
    linear = require_extra("sklearn.linear_model")
    best = _densest(sound - text)
    if len(text) >= _FEWEST_FOR_DRIFT and np.ptp(text) >= _SHORTEST_FOR_DRIFT:
        ransac = linear.RANSACRegressor(
            linear.LinearRegression(),
            min_samples=2,
            residual_threshold=_INLIER / 2,
            max_trials=1000,
            random_state=0,
            is_model_valid=lambda model, *_: abs(float(model.coef_[0]) - 1.0) <= _LARGEST_DRIFT,
        )
        try:
            near = ransac.fit(text[:, None], sound).inlier_mask_
        except ValueError:  # No two pairs lie on a plausible line.
            return best
        best = near if near.sum() >= best.sum() else best
    return best


def _densest(difference: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """The pairs whose differences lie closest together: those of one constant offset."""
    ordered = np.sort(difference)
    counts = np.searchsorted(ordered, ordered + _INLIER, side="right") - np.arange(len(ordered))
    start = ordered[int(counts.argmax())]
    dense: npt.NDArray[np.bool_] = (difference >= start) & (difference <= start + _INLIER)
    return dense


def _line(text: npt.NDArray[np.float64], sound: npt.NDArray[np.float64]) -> tuple[float, float]:
    difference = sound - text
    if len(text) >= _FEWEST_FOR_DRIFT and np.ptp(text) >= _SHORTEST_FOR_DRIFT:
        chosen = np.linspace(0, len(text) - 1, min(len(text), _MOST)).astype(int)
        fitted = require_extra("scipy.stats").theilslopes(difference[chosen], text[chosen], alpha=0.99)
        if fitted.low_slope > 0 or fitted.high_slope < 0:
            drift = float(fitted.slope)
            return float(np.median(difference - drift * text)), drift
    return float(np.median(difference)), 0.0
