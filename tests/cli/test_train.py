"""The command trains, cross-validates and searches, says what it found, and refuses what does not go together."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
import yaml

from ruxi.cli import main
from tests.training.runs import tiny_recipe

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch, capsys, tmp_path) -> Run:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(tiny_recipe(tmp_path, steps=1, evaluate_every=1)))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ruxi", "train", "recipe.yaml", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.mark.slow
def test_folds_are_told_with_their_spread(run, tmp_path):
    code, out, _ = run("--folds", "2", "--json")
    assert code == 0
    facts = json.loads(out)
    assert len(facts["folds"]) == 2
    assert set(facts["mean"]) == set(facts["deviation"])
    assert (tmp_path / "runs" / "tiny-folds" / "summary.md").is_file()
    code, _, err = run("--folds", "2")
    assert code == 1
    assert "Add --resume" in err


@pytest.mark.slow
def test_a_search_ends_with_a_recipe(run, tmp_path):
    (tmp_path / "space.yaml").write_text(yaml.safe_dump({"optimiser.learning_rate": [1e-3, 1e-2]}))
    code, out, err = run("--search", "2", "--space", "space.yaml")
    assert code == 0
    assert "2 complete; best reply nats" in out
    assert "Train it: ruxi train runs/tiny-search/best.yaml" in out
    assert "trial 1: complete" in err


def test_what_does_not_go_together_is_refused(run, monkeypatch):
    code, _, err = run("--folds", "2", "--search", "3")
    assert code == 2
    assert "Choose one" in err
    code, _, err = run("--space", "space.yaml")
    assert code == 2
    assert "Add --search N" in err


def test_an_interrupted_search_says_how_to_go_on(run, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("ruxi.training.search.search", interrupt)
    code, _, err = run("--search", "3")
    assert code == 130
    assert "ruxi train recipe.yaml --search 3 --out runs/tiny-search --resume" in err
