"""Metrics and statistics against libraries and against what they must mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from ruxi.evaluation import metrics
from ruxi.evaluation.statistics import (
    bootstrap,
    compare,
    length_controlled,
    partial_spearman,
    spearman,
)
from ruxi.evaluation.task import mean_of

CLASSES = 5
labels = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60)


@given(st.integers(2, 30), st.integers(1, 30))
def test_a_model_that_cannot_tell_candidates_apart_is_at_chance(candidates: int, k: int) -> None:
    better, ties = metrics.standing([0.5] * candidates, gold=candidates // 2)
    assert metrics.hits_at(k, better, ties) == pytest.approx(min(k / candidates, 1))
    expected = np.mean([1 / rank for rank in range(1, candidates + 1)])
    assert metrics.reciprocal_rank(better, ties) == pytest.approx(expected)


def test_standing_counts_what_is_better_and_what_is_as_good() -> None:
    assert metrics.standing([3.0, 1.0, 2.0, 1.0], gold=1) == (2, 1)
    assert metrics.standing([3.0, float("nan"), 2.0], gold=1) == (2, 0)
    assert metrics.hits_at(1, 0, 0) == 1.0
    assert metrics.hits_at(5, 5, 0) == 0.0


@given(labels)
def test_classification_metrics_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    gold, predicted = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    counts = metrics.confusion(gold, predicted, CLASSES)
    assert counts.sum() == len(pairs)
    options = {"average": "weighted", "zero_division": 0}
    assert metrics.weighted_f1(counts) == pytest.approx(reference.f1_score(gold, predicted, **options))
    macro = reference.f1_score(gold, predicted, average="macro", zero_division=0)
    assert metrics.macro_f1(counts) == pytest.approx(macro)
    recalls = reference.recall_score(gold, predicted, labels=sorted(set(gold.tolist())), average=None)
    assert metrics.unweighted_accuracy(counts) == pytest.approx(recalls.mean())


def test_distinct_and_repetition_count_runs_of_words() -> None:
    assert metrics.distinct([["a", "b", "a"], ["a", "b"]], 2) == pytest.approx(2 / 3)
    assert metrics.repetition(["a", "b", "a", "b", "a"], n=2) == pytest.approx(0.5)
    assert metrics.repetition(["no", "word", "comes", "twice", "here"]) == 0.0
    assert metrics.distinct([], 1) == metrics.repetition([], 4) == 0.0


def test_an_interval_is_the_same_each_time_and_wider_for_dependent_items() -> None:
    values = {"hit": np.random.default_rng(1).integers(0, 2, 200).astype(float)}
    alone = [str(number) for number in range(200)]
    first, second = (bootstrap(values, mean_of("hit"), alone) for _ in range(2))
    assert first == second
    assert first.low < first.value < first.high
    expected = 1.96 * values["hit"].std() / np.sqrt(200)
    assert (first.high - first.low) / 2 == pytest.approx(expected, rel=0.15)
    repeated = {"hit": np.repeat(values["hit"][:20], 10)}
    clustered = bootstrap(repeated, mean_of("hit"), [str(number // 10) for number in range(200)])
    naive = bootstrap(repeated, mean_of("hit"), alone)
    assert clustered.high - clustered.low > 2 * (naive.high - naive.low)


def test_a_comparison_tells_a_real_difference_from_none() -> None:
    random = np.random.default_rng(3)
    items = [str(number) for number in range(150)]
    base = {"x": random.normal(size=150)}
    same = {"x": base["x"] + random.normal(scale=0.5, size=150)}
    better = {"x": base["x"] + 0.3 + random.normal(scale=0.5, size=150)}
    unsure = compare(base, same, mean_of("x"), items)
    assert unsure.low < 0 < unsure.high
    assert unsure.p_value > 0.05
    sure = compare(base, better, mean_of("x"), items)
    assert sure.low > 0
    assert sure.p_value < 0.01
    test = stats.ttest_rel(same["x"], base["x"])
    assert unsure.p_value == pytest.approx(test.pvalue, abs=0.05)
    assert compare(base, base, mean_of("x"), items).p_value == 1.0


@given(st.lists(st.tuples(*[st.integers(-20, 20)] * 2), min_size=3, max_size=40))
def test_rank_correlation_is_scipys(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    expected = stats.spearmanr(first, second).statistic if len(set(first)) > 1 < len(set(second)) else 0.0
    assert spearman(first, second) == pytest.approx(expected, abs=1e-9)


def test_partial_correlation_takes_out_what_length_explains() -> None:
    random = np.random.default_rng(5)
    length = 100 * random.lognormal(size=500)
    judged, true = (np.log(length) + random.normal(scale=0.4, size=500) for _ in range(2))
    assert spearman(judged, true) > 0.7
    assert abs(partial_spearman(judged, true, length)) < 0.15
    controlled = length_controlled(judged, length)
    assert abs(np.corrcoef(controlled, np.log(length))[0, 1]) < 1e-9
    assert controlled.mean() == pytest.approx(judged.mean())
