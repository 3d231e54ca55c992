"""Presets: the same tasks with the same items for every model, told by one word."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruxi.errors import DataError, UsageError
from ruxi.evaluation import EvaluationData, make_task
from ruxi.evaluation.planning import Plan, Wishes, plan_tasks
from ruxi.evaluation.presets import FULL, OF_A_SET, PRESETS, QUICK
from tests.evaluation.stage import write_set


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[EvaluationData]:
    folder = tmp_path_factory.mktemp("sets")
    return [write_set(folder / name, name=name) for name in ("mmrole", "mmrole-bench", "weather")]


def labels(plan: Plan) -> list[str]:
    return [planned.label for planned in plan.planned]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_entry_of_a_preset_is_a_task_with_options_that_it_takes(name: str, tmp_path: Path) -> None:
    for label, options in PRESETS[name].items():
        task = make_task(label.partition("@")[0], {k: tmp_path if k in OF_A_SET else v for k, v in options.items()})
        assert task.name == label.partition("@")[0]


def test_the_quick_preset_asks_what_the_full_one_asks_of_fewer_items() -> None:
    assert list(QUICK) == list(FULL)
    for label, options in QUICK.items():
        assert options["items"] <= (FULL[label].get("items") or options["items"])


def test_a_preset_is_done_with_the_sets_that_are_there_and_says_what_is_left_out(sets: list[EvaluationData]) -> None:
    plan = plan_tasks(sets, Wishes(preset="quick"))
    assert "media_gain@mmrole-bench" in labels(plan)
    assert "caption@flickr8k" not in labels(plan)
    assert "caption@flickr8k: no data set is called 'flickr8k'" in plan.left_out
    gain = next(planned.task for planned in plan.planned if planned.task.name == "media_gain")
    assert gain.options.model_dump()["trained_on"] == sets[0].path
    assert gain.options.items == QUICK["media_gain@mmrole-bench"]["items"]
    assert all(planned.asked for planned in plan.planned)


def test_the_user_may_take_a_part_of_a_preset_and_change_its_options(sets: list[EvaluationData]) -> None:
    settings = {"next_reply": {"candidates": 5}, "weather": {"items": 2}}
    wishes = Wishes(tasks=["next_reply", "weather@weather"], preset="quick", limit=7, settings=settings)
    plan = plan_tasks(sets, wishes)
    assert labels(plan) == ["next_reply@mmrole-bench", "weather@weather"]
    first, second = (planned.task.options.model_dump() for planned in plan.planned)
    assert (first["candidates"], first["items"], first["context_tokens"]) == (5, 7, 384)
    assert second["items"] == 2


def test_mistakes_with_presets_are_named(sets: list[EvaluationData], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no preset is called 'quik'.*quick"):
        plan_tasks(sets, Wishes(preset="quik"))
    with pytest.raises(UsageError, match="'judge' is not in the preset"):
        plan_tasks(sets, Wishes(preset="quick", tasks=["judge"]))
    with pytest.raises(UsageError, match="'guards' is not among the tasks to do"):
        plan_tasks(sets, Wishes(tasks=["weather"], settings={"guards": {"items": 1}}))
    with pytest.raises(DataError, match=r"nothing of the preset 'quick' can be done.*ruxi data import"):
        plan_tasks([write_set(tmp_path / "other", name="other")], Wishes(preset="quick"))
