"""A model asks itself what it knows: usable questions, whole answers in a role, and runs that go on."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from ruxi.characters import Character
from ruxi.cli import app
from ruxi.cli.commands import register
from ruxi.dialogues import CastMember, Dialogue, Turn
from ruxi.dialogues.store import DialogueSet
from ruxi.dialogues.writer import DatasetWriter
from ruxi.errors import DataError, UsageError
from ruxi.training.rehearsal import Rehearsal, roles_of
from tests.scripted import ScriptedEngine, small_tokenizer
from tests.tiny_models import save_llama

MIRA = Character(name="Mira", description="A captain.")


def texts(engine) -> list[str]:
    return [small_tokenizer().decode(prompt.input_ids, skip_special_tokens=False) for prompt in engine.asked]


def test_questions_are_answered_in_a_role(tmp_path):
    engine = ScriptedEngine("What is the capital of France?", "Paris.")
    report = Rehearsal(engine, {"mira": MIRA}, subjects=("maps",)).run(tmp_path / "set", 1)
    assert (report.dialogues, report.kept, report.unusable) == (1, 0, 0)
    asked, answered = texts(engine)
    assert asked.endswith("<|im_end|>\n<|im_start|>user\n")
    assert "about maps" in asked
    assert "A captain." in answered
    made = DialogueSet.open(tmp_path / "set")
    (dialogue,) = made
    assert dialogue.turns[0].text.startswith("What is the capital of France?")
    assert (dialogue.turns[1].speaker, dialogue.turns[1].text) == ("Mira", "Paris.")
    assert dialogue.turns[1].model_extra == {"system": "scripted"}
    assert made.character("mira").description == "A captain."


@pytest.mark.parametrize(
    "said",
    [
        ("Hm?",),
        ("The sky over the harbour",),
        ("What is that over there?", ""),
        ("Who is that over there?", "User: Me."),
    ],
    ids=["too short", "no question", "no answer", "speaks for the user"],
)
def test_what_cannot_be_learnt_is_left_out(tmp_path, said):
    report = Rehearsal(ScriptedEngine(*said)).run(tmp_path / "set", 1)
    assert (report.dialogues, report.unusable) == (0, 1)


def test_answers_that_come_to_no_end_are_left_out(tmp_path):
    engine = ScriptedEngine("What is that over there?", "A ship, and a cat, and a storm, and the sky.")
    assert Rehearsal(engine, longest=3).run(tmp_path / "set", 1).unusable == 1


def test_a_run_that_was_stopped_goes_on_to_the_same_dialogues(tmp_path):
    def run(folder, questions, on_progress=lambda count: None):
        engine = ScriptedEngine("What do you see over there?", "A cat.")
        return Rehearsal(engine, {"a": MIRA, "b": Character(name="Jo")}).run(tmp_path / folder, questions, on_progress)

    def interrupt(count):
        if count == 3:
            raise KeyboardInterrupt

    assert run("whole", 8).dialogues == 8
    with pytest.raises(KeyboardInterrupt):
        run("parts", 8, interrupt)
    rest = run("parts", 8)
    assert (rest.dialogues, rest.kept) == (5, 3)
    dialogues = list(DialogueSet.open(tmp_path / "parts"))
    assert dialogues == list(DialogueSet.open(tmp_path / "whole"))
    assert {dialogue.turns[1].speaker for dialogue in dialogues} == {"Mira", "Jo"}
    with pytest.raises(DataError, match="holds something else than these questions, such as dialogue 'scripted/1/5'"):
        run("parts", 5)


def test_the_command_lets_a_model_of_this_machine_ask_itself(tmp_path):
    register(app)
    base = str(save_llama(tmp_path / "base"))
    options = ["--questions", "3", "--longest", "8", "--about", "ships"]
    command = ["data", "rehearse", base, str(tmp_path / "out"), *options]
    told = CliRunner().invoke(app, [*command, "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found["dialogues"] + found["unusable"] == 3
    assert len(list(DialogueSet.open(tmp_path / "out"))) == found["dialogues"]
    refused = CliRunner().invoke(app, ["data", "rehearse", "http://localhost:1/v1", str(tmp_path / "other")])
    assert isinstance(refused.exception, UsageError)


def test_roles_are_those_of_training_dialogues(tmp_path):
    with DatasetWriter(tmp_path / "set") as writer:
        for name, split, holdout in (("a", "train", False), ("b", "validation", False), ("c", "test", True)):
            writer.add_character(name, Character(name=name.upper()))
            cast = [CastMember(name="Jo", kind="user"), CastMember(name=name.upper(), character=name)]
            turns = [Turn.of_text("Jo", "Hello!"), Turn.of_text(name.upper(), "Aye.")]
            writer.add(Dialogue(id=name, cast=cast, turns=turns, split=split, holdout=holdout))
    assert roles_of(DialogueSet.open(tmp_path / "set")) == {"a": Character(name="A")}
    with DatasetWriter(tmp_path / "none") as writer:
        writer.add(Dialogue(id="a", turns=[Turn.of_text("Jo", "Hello!")]))
    with pytest.raises(DataError, match="nobody with a card plays"):
        roles_of(DialogueSet.open(tmp_path / "none"))
