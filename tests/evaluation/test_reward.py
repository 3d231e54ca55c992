"""The reward model: learnt from scored answers, checked on what it has not seen, and told when it fails."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ruxi.dialogues import CastMember, DatasetWriter, Dialogue, Turn
from ruxi.errors import DataError, EngineError, ModelError
from ruxi.evaluation import EvaluationData, Player, TaskOptions
from ruxi.evaluation.reward import CONFIG_FILE, WEIGHTS_FILE, RewardModel, RewardSettings, reply_features, train_reward
from ruxi.evaluation.tasks.judge_agreement import scored_answers
from ruxi.runtime.torch_loading import open_torch
from tests.evaluation.stage import ScoringEngine, player
from tests.tiny_models import save_llama

GOOD, BAD = "storm wind harbour ship", "map line cat sky"


def scored(folder: Path, *, fair: bool = True, systems: int = 3) -> EvaluationData:
    """Answers of good and bad words; a fair judge scores the words, an unfair one rolls dice."""
    dice = random.Random(1)
    with DatasetWriter(folder, name="scored") as writer:
        for number in range(180):
            quality = dice.randrange(1, 9)
            words = [
                dice.choice((GOOD if dice.randrange(9) < quality else BAD).split())
                for _ in range(dice.randrange(6, 30))
            ]
            score = quality if fair else dice.randrange(1, 9)
            reply = Turn.of_text(
                f"Role {number % 7}", " ".join(words), scores={"Fluency": [score, 5]}, reference="Aye.",
                system=f"system {number % systems}",
            )  # fmt: skip
            turns = [Turn.of_text("User", f"Well, {number // 6}?"), reply]
            cast = [CastMember(name="User", kind="user"), CastMember(name=reply.speaker)]
            writer.add(Dialogue(id=str(number), cast=cast, turns=turns, split="test"))
    return EvaluationData(folder)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("reward") / "llama")


@pytest.fixture
def reader(llama: Path) -> Player:
    return Player(open_torch(str(llama), dtype="float32"))


def test_what_answers_are_worth_is_learnt_and_holds_for_the_unseen(tmp_path: Path, reader: Player) -> None:
    data = scored(tmp_path / "set")
    items = scored_answers(data, TaskOptions())
    model = train_reward(items, reader, data, "base", cache=tmp_path / "cache")
    report = model.report
    assert report["beats length"] is True
    assert report["unseen systems"]["answers"] > 0.5
    assert report["unseen systems and roles"]["answers, length held fixed"] > 0.4
    good, bad = (
        model.predict(reply_features(items[:1], [text], reader, data, model.settings))[0] for text in (GOOD, BAD)
    )
    assert good > bad
    model.save(tmp_path / "model")
    loaded = RewardModel.load(tmp_path / "model")
    features = reply_features(items[:3], [GOOD] * 3, reader, data, loaded.settings)
    np.testing.assert_allclose(loaded.predict(features), model.predict(features), rtol=1e-4)
    # The features are kept: the second time the model is not asked.
    silent = Player(lambda: pytest.fail("the model was asked again"))
    again = train_reward(items, silent, data, "base", cache=tmp_path / "cache")
    np.testing.assert_allclose(again.weights, model.weights, atol=1e-4)


def test_scores_by_dice_are_reported_as_a_failure(tmp_path: Path, reader: Player) -> None:
    data = scored(tmp_path / "set", fair=False)
    report = train_reward(scored_answers(data, TaskOptions()), reader, data, None).report
    assert report["beats length"] is False
    assert abs(report["unseen systems and roles"]["answers"]) < 0.3


def test_features_do_not_depend_on_what_is_read_beside_them(tmp_path: Path, reader: Player) -> None:
    data = scored(tmp_path / "set")
    items = scored_answers(data, TaskOptions())[:6]
    texts = [item.candidates[0] for item in items]
    together = reply_features(items, texts, reader, data, RewardSettings())
    for place in range(6):
        alone = reply_features(items[place : place + 1], texts[place : place + 1], reader, data, RewardSettings())
        np.testing.assert_allclose(alone[0], together[place], atol=1e-3)


def test_too_few_systems_and_engines_without_states_are_refused(tmp_path: Path, reader: Player) -> None:
    data = scored(tmp_path / "set", systems=1)
    with pytest.raises(DataError, match="two systems"):
        train_reward(scored_answers(data, TaskOptions())[:30], reader, data, None)
    blind = player(ScoringEngine(lambda context, reply: -1.0), tmp_path)
    with pytest.raises(EngineError, match="no states"):
        reply_features(scored_answers(data, TaskOptions())[:1], ["Aye."], blind, data, RewardSettings())


@pytest.mark.parametrize("damage", ["weights", "config", "missing"])
def test_damaged_reward_models_are_refused(tmp_path: Path, damage: str) -> None:
    values = np.ones(4)
    RewardModel(values, values, values, 1.0, None, RewardSettings(), {}).save(tmp_path)
    if damage == "weights":
        (tmp_path / WEIGHTS_FILE).write_bytes(b"\0" * 20)
    elif damage == "config":
        (tmp_path / CONFIG_FILE).write_text("{}")
    else:
        (tmp_path / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match="no reward model"):
        RewardModel.load(tmp_path)


def test_the_command_makes_a_model_that_the_task_uses(tmp_path: Path, llama: Path) -> None:
    scored(tmp_path / "set")

    def ruxi(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from ruxi.cli import main; main()", *arguments],
            capture_output=True, text=True, cwd=tmp_path, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    made = ruxi("reward", "set", "-o", "model", "--base", str(llama), "--threads", "1")
    assert made.returncode == 0, made.stderr
    assert "It beats length on all three." in made.stdout
    options = ("--set", "reward.model=model", "--set", f"reward.base={llama}", "--set", "reward.max_tokens=12")
    found = ruxi("eval", str(llama), "--data", "set", "--tasks", "reward", "--limit", "3", "--json", *options)
    assert found.returncode == 0, found.stderr
    (task,) = json.loads(found.stdout)["tasks"]
    assert task["metrics"][0]["name"] == "reward"
    assert task["details"]["reward model"]["beats length"] is True
