"""Whole runs with preferences and with a teacher: held-out measures move, and nothing is computed or saved in vain."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from ruxi.characters import Character
from ruxi.dialogues import CastMember, Dialogue, Turn
from ruxi.dialogues.writer import DatasetWriter
from ruxi.errors import DataError, ModelError
from ruxi.training.recipe import check_recipe
from ruxi.training.run import prepare, train
from tests.tiny_models import save_llama
from tests.training.test_run import recipe  # noqa: F401 (a fixture)


def speakers_of_two_kinds(folder, split_of=lambda n: "train" if n % 4 else "validation"):
    """Two characters with words of their own, who answer the same people."""
    with DatasetWriter(folder, name="two", source="this test", licence="CC0-1.0") as writer:
        for name in ("Mira", "Aldo"):
            writer.add_character(name, Character(name=name, description=f"{name}."))
        for n in range(24):
            for name, line in (("Mira", "Ahoy, the ship!"), ("Aldo", "Hm, my books.")):
                cast = [CastMember(name="Jo", kind="user"), CastMember(name=name, character=name)]
                turns = [Turn.of_text("Jo", f"Say {n}."), Turn.of_text(name, f"{line} {n}")]
                writer.add(Dialogue(id=f"{name}-{n}", cast=cast, turns=turns, split=split_of(n), language="en"))
    return folder


def preferring(recipe, tmp_path):  # noqa: F811
    recipe["data"] = [
        {"path": str(speakers_of_two_kinds(tmp_path / "two")), "preferences": ["out_of_character", "speaks_for_user"]}
    ]
    recipe["model"]["guidance"] = None
    recipe["sequence"]["length"] = 600
    recipe["objectives"] = {"reply": 0.0, "preference": 1.0}
    recipe["run"] |= {"steps": 12, "evaluate_every": 6, "metric": "preference_accuracy"}
    return recipe


@pytest.mark.slow
def test_the_right_speakers_reply_is_found_among_held_out_ones(recipe, tmp_path):  # noqa: F811
    data = {"path": str(speakers_of_two_kinds(tmp_path / "two")), "choices": ["other_role"]}
    recipe["data"] = [data]
    recipe["model"]["guidance"] = None
    recipe["objectives"] = {"reply": 0.0, "choice": 1.0}
    recipe["sequence"]["length"] = 600
    recipe["choice"] = {"candidates": 4, "reply_tokens": 16, "context_tokens": 500}
    recipe["run"] |= {"steps": 24, "evaluate_every": 12, "metric": "choice_accuracy"}
    short = check_recipe(recipe | {"choice": {"context_tokens": 32}})
    with pytest.raises(DataError, match=r"no dialogue of split 'train' fits.*choice.context_tokens"):
        prepare(short)
    result = train(check_recipe(recipe), tmp_path / "run", quiet=True)
    assert result.metrics["eval_choice_accuracy"] >= 0.8
    assert "eval_reply_nats" not in result.metrics


@pytest.mark.slow
def test_preferences_raise_the_margin_of_held_out_corrupted_pairs(recipe, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("RUXI_HOME", str(tmp_path / "home"))
    recipe = preferring(recipe, tmp_path)
    computed = []

    def progress(items, total):
        computed.append(total)
        return items

    result = train(check_recipe(recipe), tmp_path / "run", quiet=True, progress=progress)
    assert result.metrics["eval_preference_accuracy"] >= 0.8
    assert result.metrics["eval_preference_margin"] > 0.1
    assert {"eval_preference_out_of_character_accuracy", "eval_preference_speaks_for_user_accuracy"} < set(
        result.metrics
    )
    assert "eval_reply_nats" not in result.metrics
    assert sum(computed) > 0
    computed.clear()
    prepare(check_recipe(recipe), progress=progress)
    assert sum(computed) == 0, "the reference is computed once"

    recipe["model"]["start_from"] = str(result.adapter)
    found = {}
    for reference in ("base", "start"):
        recipe["preference"] = {"reference": reference}
        found[reference] = prepare(check_recipe(recipe)).held_out
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base").eval()
    for example, other in zip(found["base"], found["start"], strict=True):
        for side, nats in zip((example, example.rejected.example), example.rejected.reference, strict=True):
            ids = torch.from_numpy(side.input_ids.astype("int64"))[None]
            with torch.no_grad():
                scores = torch.log_softmax(base(ids).logits[0, :-1], dim=-1).gather(1, ids[0, 1:, None])[:, 0]
            assert nats == pytest.approx(float(scores[torch.from_numpy(side.targets[1:])].sum()), abs=1e-3)
        assert other.rejected.reference != example.rejected.reference


@pytest.mark.slow
def test_a_run_learns_from_a_local_teacher_that_is_not_saved_with_it(recipe, tmp_path):  # noqa: F811
    recipe["run"] |= {"steps": 20, "evaluate_every": 20}
    teacher = train(check_recipe(recipe), tmp_path / "teacher", quiet=True)
    recipe["objectives"] = {"reply": 0.0, "distillation": 1.0}
    recipe["teacher"] = {"model": str(teacher.adapter)}
    recipe["run"] |= {"evaluate_every": 5, "metric": "distillation_loss"}
    student = train(check_recipe(recipe), tmp_path / "student", quiet=True)
    evaluations = [json.loads(line) for line in (student.folder / "metrics.jsonl").read_text().splitlines()]
    assert evaluations[-1]["eval_distillation_loss"] < 0.6 * evaluations[0]["eval_distillation_loss"]
    sizes = [(adapter / "adapter.safetensors").stat().st_size for adapter in (teacher.adapter, student.adapter)]
    assert sizes[0] == sizes[1]


def test_a_teacher_with_other_tokens_is_refused(recipe, tmp_path):  # noqa: F811
    other = save_llama(tmp_path / "other")
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][-1], "id": 9999, "content": "<|more|>"})
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    recipe["objectives"] = {"distillation": 1.0}
    recipe["teacher"] = {"model": str(other)}
    with pytest.raises(ModelError, match=r"tokenizer is not the student's.*data distil"):
        train(check_recipe(recipe), tmp_path / "run", quiet=True)
