"""What a recipe can get wrong is said at once, and every recipe that ships is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruxi.training.recipe import RecipeError, check_recipe, load_recipe


@pytest.fixture
def recipe():
    return {
        "name": "tiny",
        "data": [{"path": "set"}],
        "sequence": {"length": 512},
        "objectives": {"reply": 1.0},
        "run": {"steps": 12},
    }


def assert_faults(recipe, *faults):
    """Exactly these faults are listed, all at once."""
    with pytest.raises(RecipeError) as caught:
        check_recipe(recipe)
    for fault in faults:
        assert fault in str(caught.value)
    assert str(caught.value).startswith(f"recipe: {len(faults)} fault(s)")


def test_objectives_without_what_they_need_are_listed_with_all_other_faults(recipe):
    recipe["objectives"] = {"speech_kl": 1, "preference": 1, "distillation": 1, "contrastive": 1, "media_emotion": 1}
    recipe["objectives"]["intent"] = 1
    recipe["data"].append({"path": "elsewhere", "speakers": "none", "preferences": ["wrong_picture"]})
    recipe["data"].append({"path": "sounds", "speakers": "transcripts"})
    recipe["run"]["metric"] = "hits"
    recipe["sequence"]["length"] = 3
    assert_faults(
        recipe,
        "objectives.speech_kl needs model.modalities.speech",
        "objectives.distillation needs a teacher",
        "objectives.contrastive needs model.alignment",
        "objectives.intent needs model.guidance",
        "objectives.media_emotion needs model.guidance",
        "objectives.media_emotion needs model.modalities and a fusion",
        "data.1.preferences need somebody's replies",
        "wrong_picture needs model.modalities.image",
        "data.2.speakers: transcripts need model.modalities.speech",
        "run.metric: 'hits' is not measured; known here: loss, reply_nats, intent_loss, intent_accuracy, "
        "media_emotion_loss, media_emotion_accuracy",
        "sequence.length",
    )


def test_pairs_that_nothing_learns_from_are_a_fault(recipe):
    recipe["data"][0]["preferences"] = ["out_of_character"]
    recipe["teacher"] = {"model": "somebody"}
    with pytest.raises(RecipeError, match=r"nothing learns from pairs[^$]*nobody learns from it"):
        check_recipe(recipe)


def test_choices_need_replies_room_and_somebody_who_chooses(recipe):
    recipe["data"] += [
        {"path": "elsewhere", "speakers": "none", "choices": ["other_role"]},
        {"path": "third", "choices": ["same_role"], "preferences": ["rated"]},
        {"path": "fourth", "speakers": "none", "alternatives": True},
    ]
    recipe["objectives"] = {"choice": 1.0, "preference": 1.0}
    recipe["model"] = {"fusion": {"kind": "prefix"}}
    assert_faults(
        recipe,
        "objectives.choice: replies cannot branch off behind media",
        "choice: context_tokens + candidates * reply_tokens do not fit into sequence.length (512)",
        "data.1.choices need somebody's replies",
        "data.2: has preferences and choices",
        "data.3.alternatives: replies cannot branch off behind media",
        "data.3.alternatives need somebody's replies",
    )
    recipe["objectives"], recipe["data"], recipe["model"] = {"choice": 1.0}, [{"path": "set"}], {}
    with pytest.raises(RecipeError, match=r"objectives.choice needs replies to choose from"):
        check_recipe(recipe)
    recipe["objectives"], recipe["data"] = {"reply": 1.0}, [{"path": "set", "choices": ["other_role"]}]
    with pytest.raises(RecipeError, match=r"data.0.choices: nobody chooses"):
        check_recipe(recipe)


def test_only_streams_that_a_model_has_can_be_frozen(recipe):
    recipe["model"] = {
        "modalities": {"image": {"extractor": "efficientnet-lite0", "width": 1280}},
        "freeze": ["fusion.text", "fusion.image", "resamplers.image", "resamplers.speech", "fusion.guidance"],
    }
    known = "known: lora, resamplers, resamplers.image, fusion, fusion.text, fusion.image, guidance, alignment"
    assert_faults(recipe, f"'freeze' names fusion.guidance, resamplers.speech; {known}")
    recipe["model"] |= {"fusion": {"kind": "prefix"}, "freeze": ["resamplers.image", "fusion.image"]}
    assert_faults(recipe, "'freeze' names fusion.image; known: lora, resamplers, resamplers.image, fusion, guidance")


RECIPES = Path(__file__).parents[2] / "recipes"
# Settings of launchers lie in a folder of their own.
SHIPPED = sorted(path for path in RECIPES.rglob("*.yaml") if path.parent.name != "accelerate")


def test_the_recipes_that_are_promised_ship():
    names = {"align", "roleplay", "text_only", "prefix", "preference", "tiny", "gpu"}
    assert names <= {path.stem for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(RECIPES)))
def test_every_recipe_that_ships_is_right_and_begins_with_its_commands(path):
    checked = load_recipe(path)
    assert checked.data
    head = path.read_text().split("name:")[0].splitlines()
    assert all(line.startswith("#") for line in head)
    assert any(f"recipes/{path.relative_to(RECIPES)}" in line for line in head), "its own command stands in its head"
