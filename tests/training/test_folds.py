"""Cross-validation: groups stay whole, nothing is measured on what it was trained on, a killed one goes on."""

from __future__ import annotations

import json

import pytest

from ruxi.dialogues.splits import fold_of
from ruxi.errors import DataError
from ruxi.training import run
from ruxi.training.folds import cross_validate, fold_part
from ruxi.training.recipe import check_recipe
from tests.training.runs import Killed, kill_at, tiny_recipe


@pytest.fixture
def recipe(tmp_path):
    return check_recipe(tiny_recipe(tmp_path, steps=2, evaluate_every=1, groups=6, test=3))


def test_every_group_is_held_out_once_and_the_test_split_never(recipe):
    pool = run.prepare(recipe)
    seen = []
    for number in range(3):
        part = fold_part(pool, recipe, number, 3)
        held = {example.group for example in part.held_out}
        assert held.isdisjoint(example.group for example in part.train)
        assert len(part.train) + len(part.held_out) == 12
        assert sum(part.counts) == len(part.train)
        seen += sorted(held)
    assert sorted(seen) == [f"campaign {n}" for n in range(6)]


def test_a_fold_without_groups_is_refused(recipe):
    pool = run.prepare(recipe)
    empty = next(n for n in range(40) if all(fold_of(f"campaign {g}", 40) != n for g in range(6)))
    with pytest.raises(DataError, match="there are 6 groups"):
        fold_part(pool, recipe, empty, 40)


@pytest.mark.slow
def test_a_killed_cross_validation_goes_on_with_its_fold_and_ends_as_an_unbroken_one(recipe, tmp_path):
    whole = cross_validate(recipe, tmp_path / "whole", 2, quiet=True)
    assert len(whole.folds) == 2
    mean = sum(fold.metrics["eval_reply_nats"] for fold in whole.folds) / 2
    assert whole.mean["eval_reply_nats"] == pytest.approx(mean)
    assert whole.deviation["eval_reply_nats"] > 0

    with pytest.raises(Killed):
        cross_validate(recipe, tmp_path / "broken", 2, quiet=True, on_evaluation=kill_at(fold=2, step=2))
    assert len(json.loads((tmp_path / "broken" / "folds.json").read_text())["results"]) == 1
    with pytest.raises(DataError, match="Add --resume"):
        cross_validate(recipe, tmp_path / "broken", 2, quiet=True)
    evaluated = []
    again = cross_validate(recipe, tmp_path / "broken", 2, resume=True, quiet=True, on_evaluation=evaluated.append)
    assert {e["fold"] for e in evaluated} == {2}
    assert again.mean == whole.mean
    assert [fold.metrics for fold in again.folds] == [fold.metrics for fold in whole.folds]
    table = (tmp_path / "broken" / "summary.md").read_text()
    assert "| reply nats |" in table
    assert "standard deviation" in table
    assert (tmp_path / "broken" / "folds.png").read_bytes().startswith(b"\x89PNG")

    with pytest.raises(DataError, match="another recipe or number"):
        cross_validate(recipe, tmp_path / "broken", 4, resume=True, quiet=True)
