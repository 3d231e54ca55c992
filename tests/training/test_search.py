"""A search finds better values, prunes, goes on after a kill, and leaves a recipe that can be trained."""

from __future__ import annotations

import json

import optuna
import pytest
import yaml

from ruxi.errors import DataError, UsageError
from ruxi.training import run
from ruxi.training.recipe import RecipeError, check_recipe, load_recipe
from ruxi.training.search import check_space, search, with_values
from ruxi.training.space import SearchRange, default_space, load_space
from tests.training.runs import Killed, tiny_recipe


@pytest.fixture
def content(tmp_path):
    content = tiny_recipe(tmp_path, steps=2, evaluate_every=1)
    content["search"] = {
        "optimiser.learning_rate": {"low": 1e-4, "high": 0.02, "log": True},
        "model.lora.rank": [2, 4],
    }
    return content


@pytest.mark.slow
def test_a_killed_search_goes_on_with_its_trial_and_leaves_a_recipe(content, tmp_path, monkeypatch):
    recipe = check_recipe(content)
    folder = tmp_path / "search"
    calls = []
    train = run.train

    def killing(recipe, home, **options):
        calls.append((home.name, recipe.optimiser.learning_rate, recipe.model.lora["rank"]))
        if len(calls) == 3:
            raise Killed
        return train(recipe, home, **options)

    monkeypatch.setattr(run, "train", killing)
    with pytest.raises(Killed):
        search(recipe, folder, 7, quiet=True)
    with pytest.raises(DataError, match="Add --resume"):
        search(recipe, folder, 7, quiet=True)
    lines = []
    result = search(recipe, folder, 7, resume=True, quiet=True, on_trial=lines.append)
    assert calls[3] == calls[2]
    assert len(calls) == 8
    assert len({rate for _, rate, _ in calls}) == 7
    assert len(lines) == 5
    assert sum(result.trials.values()) == 7

    facts = json.loads((folder / "search.json").read_text())
    complete = [trial["value"] for trial in facts["trials"] if trial["state"] == "complete"]
    assert result.value == min(complete)
    assert set(result.importance["fANOVA"]) == set(recipe.search)
    assert sum(result.importance["fANOVA"].values()) == pytest.approx(1.0)
    for name in ("optimization_history", "param_importances", "intermediate_values"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "## Importance" in (folder / "summary.md").read_text()
    assert not list(folder.glob("trial-*/checkpoint-*"))

    best = load_recipe(result.recipe)
    assert best.optimiser.learning_rate == result.values["optimiser.learning_rate"]
    monkeypatch.undo()
    repeated = run.train(best, tmp_path / "again", quiet=True)
    assert repeated.metrics["eval_reply_nats"] == pytest.approx(result.value)

    with pytest.raises(DataError, match="another recipe or space"):
        search(recipe, folder, 9, resume=True, space={"run.seed": SearchRange(low=1, high=9)}, quiet=True)


def test_hopeless_trials_are_pruned(content, tmp_path, monkeypatch):
    recipe = check_recipe(content)
    prepared = run.prepare(recipe)

    def fake_measures(recipe, home, *, on_evaluation, **options):
        worse = recipe.optimiser.learning_rate < 1e-3
        for step in (1, 2, 3):
            on_evaluation({"step": step, "eval_reply_nats": 5.0 + worse - step / 10})
        on_evaluation({"step": 3, "eval_reply_nats": 4.7 + worse})
        return run.Result(home, home / "adapter", {"eval_reply_nats": 4.7 + worse}, 3, False)

    monkeypatch.setattr(run, "prepare", lambda recipe, progress: prepared)
    monkeypatch.setattr(run, "train", fake_measures)
    result = search(recipe, tmp_path / "search", 14, quiet=True)
    assert result.trials["pruned"] >= 1
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path / 'search' / 'study.db'}")
    pruned = [t for t in study.trials if t.state.name == "PRUNED"]
    assert all(t.params["optimiser.learning_rate"] < 1e-3 for t in pruned)
    assert all(t.user_attrs["steps"] < 3 for t in pruned)


def test_the_default_space_varies_what_the_recipe_uses(content):
    del content["search"]
    assert set(default_space(check_recipe(content))) == {
        "optimiser.learning_rate", "model.lora.rank", "model.lora.dropout"
    }  # fmt: skip
    content["model"] |= {"guidance": {}, "modalities": {"image": {"extractor": "efficientnet-lite0", "width": 1280}}}
    content["objectives"] = {"reply": 1.0, "emotion": 0.2}
    wide = default_space(check_recipe(content))
    assert wide["objectives.emotion"].low == pytest.approx(0.05)
    assert {"optimiser.gate_learning_rate", "sequence.modality_dropout"} < set(wide)
    content["run"]["metric"] = "loss"
    assert "objectives.emotion" not in default_space(check_recipe(content))


def test_a_rank_keeps_the_scale_of_the_update(content):
    recipe = with_values(check_recipe(content), {"model.lora.rank": 16}, name="other")
    assert recipe.model.lora == {"rank": 16, "alpha": 64.0}


def test_all_faults_of_a_space_are_listed(content, tmp_path):
    recipe = check_recipe(content)
    wrong = {
        "optimiser.momentum": SearchRange(low=0.1, high=0.9),
        "model.lora.rank": SearchRange(low=-4, high=8),
        "optimiser.learning_rate": SearchRange(low=1e-5, high=1e-3, log=True),
    }
    with pytest.raises(UsageError) as caught:
        check_space(recipe, wrong)
    assert "optimiser.momentum" in str(caught.value)
    assert "model.lora.rank" in str(caught.value)
    assert "learning_rate" not in str(caught.value)
    file = tmp_path / "space.yaml"
    file.write_text(yaml.safe_dump({"a": {"low": 3, "high": 1}, "b": {"low": 1}, "c": [1, 2]}))
    with pytest.raises(UsageError) as caught:
        load_space(file)
    assert "a: " in str(caught.value)
    assert "b: " in str(caught.value)
    assert "c: " not in str(caught.value)
    content["search"]["optimiser.clip"] = {"low": 2, "high": 1}
    with pytest.raises(RecipeError, match=r"optimiser\.clip"):
        check_recipe(content)
