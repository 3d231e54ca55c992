"""A whole run on a tiny model: it learns, leaves what is needed to repeat it, and says what is wrong with a recipe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from ruxi.characters import Character
from ruxi.dialogues import CastMember, Dialogue, Turn
from ruxi.dialogues.store import DialogueSet
from ruxi.dialogues.writer import DatasetWriter
from ruxi.errors import DataError
from ruxi.model import RolePlayForCausalLM
from ruxi.model.adapter import read_adapter_weights
from ruxi.training.recipe import RecipeError, check_recipe, load_recipe
from ruxi.training.run import train
from tests.tiny_models import save_llama


@pytest.fixture
def recipe(tmp_path):
    save_llama(tmp_path / "base")
    cast = [CastMember(name="Jo", kind="user"), CastMember(name="Mira", character="mira")]
    with DatasetWriter(tmp_path / "set", name="chats", source="this test", licence="CC0-1.0") as writer:
        writer.add_character("mira", Character(name="Mira", description="A captain."))
        for n in range(12):
            turns = [Turn.of_text("Jo", f"Hello {n}", emotion="joy"), Turn.of_text("Mira", "Ahoy, ahoy, ahoy.")]
            split = "train" if n < 9 else "validation"
            writer.add(Dialogue(id=str(n), cast=cast, turns=turns, split=split))
    return {
        "name": "tiny",
        "model": {"base": str(tmp_path / "base"), "guidance": {}, "lora": {"rank": 4}, "fusion": {"every": 2}},
        "data": [{"path": str(tmp_path / "set")}],
        "sequence": {"length": 512},
        "objectives": {"reply": 1.0, "emotion": 0.2},
        "optimiser": {"learning_rate": 0.01},
        "run": {"steps": 12, "evaluate_every": 6, "log_every": 3, "precision": "float32", "example_prompts": 1},
    }


@pytest.mark.slow
def test_a_run_lowers_the_loss_and_leaves_what_is_needed_to_repeat_it(recipe, tmp_path):
    result = train(check_recipe(recipe), tmp_path / "run", quiet=True)
    evaluations = [json.loads(line) for line in (result.folder / "metrics.jsonl").read_text().splitlines()]
    assert evaluations[-1]["eval_reply_nats"] < evaluations[0]["eval_reply_nats"]
    facts = json.loads((result.folder / "run.json").read_text())
    assert facts["data"][0]["examples"] == 9
    assert facts["held_out_examples"] == 3
    assert (result.folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "reply nats" in (result.folder / "summary.md").read_text()
    assert any((result.folder / "tensorboard").iterdir())
    assert load_recipe(result.folder / "recipe.yaml") == check_recipe(recipe)
    RolePlayForCausalLM.from_pretrained(result.adapter)
    with pytest.raises(DataError, match="holds a run already"):
        train(check_recipe(recipe), tmp_path / "run", quiet=True)


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_losses_of_an_unbroken_one(recipe, tmp_path):
    recipe["sequence"]["length"] = 400
    whole = train(check_recipe(recipe), tmp_path / "whole", quiet=True)

    class Killed(BaseException):
        pass

    def kill(metrics):
        if metrics["step"] == 12:
            raise Killed

    with pytest.raises(Killed):
        train(check_recipe(recipe), tmp_path / "broken", quiet=True, on_evaluation=kill)
    resumed = train(check_recipe(recipe), tmp_path / "broken", resume=True, quiet=True)
    assert resumed.metrics == whole.metrics


@pytest.mark.slow
def test_an_adapter_can_stay_between_where_it_started_and_what_it_became(recipe, tmp_path):
    recipe["run"] |= {"steps": 4, "evaluate_every": 4}
    recipe["model"]["freeze"] = ["guidance"]
    recipe["model"]["start_from"] = str(train(check_recipe(recipe), tmp_path / "start", quiet=True).adapter)
    recipe["run"]["seed"] = 2
    whole = train(check_recipe(recipe), tmp_path / "run", quiet=True)
    start, end = (read_adapter_weights(tmp_path / name / "adapter") for name in ("start", "run"))
    # A run that is finished already can still be shortened.
    recipe["run"]["interpolate"] = 0.25
    part = train(check_recipe(recipe), tmp_path / "run", resume=True, quiet=True)
    between = read_adapter_weights(part.adapter)
    moved = 0
    for name, weight in between.items():
        wanted = start[name].float() + 0.25 * (end[name].float() - start[name].float())
        torch.testing.assert_close(weight.float(), wanted, rtol=2e-3, atol=1e-4)
        moved += not torch.equal(start[name], end[name])
    assert moved > 4
    # What is measured is the adapter that was written.
    assert part.metrics["eval_reply_nats"] > whole.metrics["eval_reply_nats"]


@pytest.mark.slow
def test_one_stream_can_learn_alone(recipe, tmp_path):
    recipe["run"] |= {"steps": 4, "evaluate_every": 4}
    recipe["optimiser"]["weight_decay"] = 0.5
    recipe["model"]["start_from"] = str(train(check_recipe(recipe), tmp_path / "start", quiet=True).adapter)
    recipe["model"]["freeze"] = ["lora", "guidance", "fusion.text"]
    recipe["objectives"] = {"reply": 1.0}
    train(check_recipe(recipe), tmp_path / "run", quiet=True)
    start, end = (read_adapter_weights(tmp_path / name / "adapter") for name in ("start", "run"))
    for name, weight in end.items():
        if name.startswith("fusion.blocks") and name.endswith("mix.weight"):
            text = len(weight)
            assert torch.equal(weight[:, :text], start[name][:, :text])
            assert not torch.equal(weight[:, text:], start[name][:, text:])
        else:
            assert torch.equal(weight, start[name]) == ("key_value.guidance" not in name)


def test_all_faults_of_a_recipe_are_listed_at_once(recipe):
    recipe["sequence"] = {"length": 3, "colour": "red"}
    recipe["model"]["fusion"] = {"kind": "magic"}
    recipe["model"]["freeze"] = ["everything"]
    recipe["run"]["steps"] = -1
    with pytest.raises(RecipeError) as caught:
        check_recipe(recipe)
    for field in ("sequence.length", "sequence.colour", "model.fusion.kind", "everything", "run.steps"):
        assert field in str(caught.value)


def test_sets_without_a_training_split_are_named_together(recipe, tmp_path):
    for name in ("first", "second"):
        with DatasetWriter(tmp_path / name, name=name, source="this test", licence="CC0-1.0") as writer:
            writer.add(Dialogue(id="1", turns=[Turn.of_text("Mira", "Ahoy.")]))
        recipe["data"].append({"path": str(tmp_path / name)})
    with pytest.raises(DataError, match=r"first, \S+second: nothing to learn.* `ruxi data split`"):
        train(check_recipe(recipe), tmp_path / "run", quiet=True)


def test_a_set_of_which_nothing_is_taken_is_named(recipe, tmp_path):
    recipe["data"][0]["languages"] = ["zh"]
    with pytest.raises(DataError, match="nothing to learn"):
        train(check_recipe(recipe), tmp_path / "run", quiet=True)
    assert len(DialogueSet.open(tmp_path / "set")) == 12


@pytest.mark.slow
def test_the_command_trains_goes_on_and_names_the_faults_of_a_recipe(recipe, tmp_path):
    def ruxi(*options):
        command = [str(Path(sys.executable).parent / "ruxi"), "train", *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    done = ruxi("recipe.yaml", "--set", "run.steps=2", "--set", "run.evaluate_every=1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 2
    assert (tmp_path / "runs" / "tiny" / "adapter" / "adapter.safetensors").is_file()
    again = ruxi("recipe.yaml")
    assert again.returncode == 1
    assert "Add --resume to go on" in again.stderr
    wrong = ruxi("recipe.yaml", "--set", "run.steps=-1", "--set", "objectives.replies=1")
    assert wrong.returncode == 2
    assert "run.steps" in wrong.stderr
    assert "objectives.replies" in wrong.stderr
    assert "Traceback" not in wrong.stderr
