"""A teacher behind the OpenAI API takes the characters' parts: what it says is learnt from, and paid for once."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from ruxi.characters import Character
from ruxi.cli import app
from ruxi.cli.commands import register
from ruxi.dialogues import CastMember, Dialogue, Part, Turn
from ruxi.dialogues.store import DialogueSet
from ruxi.dialogues.writer import DatasetWriter
from ruxi.evaluation.judge.client import ChatClient
from ruxi.training.remote_teacher import RemoteTeacher
from ruxi.weights import require
from tests.evaluation.chat_server import llama_cpp, serving
from tests.senses import png


@pytest.fixture
def source(tmp_path):
    with DatasetWriter(tmp_path / "set", name="talks", source="this test", licence="CC0-1.0") as writer:
        writer.add_character("mira", Character(name="Mira", description="A captain who fears birds."))
        picture = writer.add_medium(png())
        cast = [CastMember(name="Jo", kind="user"), CastMember(name="Mira", character="mira")]
        for n, (split, holdout) in enumerate([("train", False)] * 3 + [("test", True), ("validation", False)]):
            shown = [Part(kind="image", media=picture, text="a gull"), Part(kind="text", text=f"Look {n}!")]
            turns = [
                Turn(speaker="Jo", parts=shown),
                Turn.of_text("Mira", f"Old answer {n}."),
                Turn.of_text("Jo", "And now?"),
                Turn.of_text("Mira", f"Old end {n}."),
            ]
            writer.add(Dialogue(id=str(n), cast=cast, turns=turns, split=split, holdout=holdout, language="en"))
    return DialogueSet.open(tmp_path / "set")


def said(body) -> list[dict[str, str]]:
    content = body["messages"][1]["content"]
    return json.loads(content if isinstance(content, str) else content[-1]["text"])["dialogue"]


def answer(body) -> str:
    turns = said(body)
    return json.dumps({"reply": f"Mira: After {len(turns)} turns I say aye.", "emotion": "fear"})


def teacher(source, server, tmp_path, **options):
    client = ChatClient(server.url, "wise/model", cache=tmp_path / "answers.jsonl", sleep=lambda seconds: None)
    return RemoteTeacher(source, client, **options)


def test_the_last_replies_of_training_dialogues_become_the_teachers(source, tmp_path):
    with serving(answer) as server:
        report = teacher(source, server, tmp_path).run(tmp_path / "out")
        assert (report.dialogues, report.replies, report.requests) == (3, 3, 3)
        assert "A captain who fears birds." in server.asked[0]["messages"][0]["content"]
        assert said(server.asked[0])[0]["text"].startswith("[picture: a gull]")
        assert not any("Old end" in turn["text"] for body in server.asked for turn in said(body))
        again = teacher(source, server, tmp_path).run(tmp_path / "again")
        assert (again.dialogues, again.requests, again.cached) == (3, 0, 3)
        assert len(server.asked) == 3
    made = DialogueSet.open(tmp_path / "out")
    assert [dialogue.split for dialogue in made] == ["train"] * 3
    dialogue = made.get("0~Mira~wise-model")
    assert [turn.text for turn in dialogue.turns if turn.speaker == "Mira"] == [
        "Old answer 0.",
        "After 3 turns I say aye.",
    ]
    assert dialogue.turns[-1].emotion == "fear"
    assert dialogue.turns[-1].model_extra == {"system": "wise/model"}
    assert made.character("mira").description == "A captain who fears birds."
    assert dialogue.turns[0].parts[0].media in made.media


def test_all_replies_follow_the_teachers_own_earlier_ones(source, tmp_path):
    with serving(answer) as server:
        report = teacher(source, server, tmp_path, turns="all", send_pictures=True).run(tmp_path / "out")
        assert (report.dialogues, report.replies) == (3, 6)
        assert not any("Old" in turn["text"] for body in server.asked for turn in said(body))
        assert all(body["messages"][1]["content"][0]["type"] == "image_url" for body in server.asked)
    assert [t.text for t in DialogueSet.open(tmp_path / "out").at(0).turns][1::2] == [
        "After 1 turns I say aye.",
        "After 3 turns I say aye.",
    ]


def test_replies_that_are_empty_or_speak_for_the_user_are_not_learnt(source, tmp_path):
    def rule(body) -> str:
        number = int(said(body)[0]["text"][-2])
        words = ("", "Aye.\nJo: Thank you!", "Fine.")[number]
        return json.dumps({"reply": words, "emotion": "hungry"})

    with serving(rule) as server:
        report = teacher(source, server, tmp_path).run(tmp_path / "out")
    assert (report.dialogues, report.unusable) == (1, 2)
    (dialogue,) = DialogueSet.open(tmp_path / "out")
    assert (dialogue.turns[-1].text, dialogue.turns[-1].emotion) == ("Fine.", None)


def test_a_run_ends_at_its_limit_of_tokens_and_goes_on_from_what_is_kept(source, tmp_path):
    with serving(answer) as server:
        short = teacher(source, server, tmp_path, parallel=1, most_tokens=200).run(tmp_path / "short")
        assert (short.dialogues, short.requests, short.stopped) == (2, 2, True)
        whole = teacher(source, server, tmp_path).run(tmp_path / "whole")
        assert (whole.dialogues, whole.requests, whole.cached) == (3, 1, 2)


def test_the_command_asks_before_it_spends(source, tmp_path, monkeypatch):
    monkeypatch.setenv("RUXI_HOME", str(tmp_path / "home"))
    if not app.registered_commands:
        register(app)
    with serving(answer) as server:
        command = ["data", "distil", str(source.path), str(tmp_path / "out"), "--teacher", server.url, "--model", "m"]
        refused = CliRunner().invoke(app, [*command, "--price-in", "1", "--json"])
        assert "Add --yes" in str(refused.exception)
        assert "at most 3 requests" in refused.stderr
        assert server.asked == []
        nothing = CliRunner().invoke(app, [*command, "--yes", "--split", "test"])
        assert "no character replies" in str(nothing.exception)
        done = CliRunner().invoke(app, [*command, "--yes", "--json"])
        assert json.loads(done.stdout)["replies"] == 3, done.output


@pytest.mark.weights
@pytest.mark.slow
def test_a_real_server_teaches_in_the_form_that_was_asked_for(source, tmp_path):
    pytest.importorskip("xllamacpp")
    (gguf,) = require("smollm2-135m-instruct").glob("*.gguf")
    with llama_cpp(gguf) as url:
        client = ChatClient(url, "smollm2", cache=tmp_path / "answers.jsonl")
        report = RemoteTeacher(source, client, limit=1, longest=20, parallel=1).run(tmp_path / "out")
    assert (report.requests, report.replies + report.unusable) == (1, 1)
    assert report.prompt_tokens > 100
    for dialogue in DialogueSet.open(tmp_path / "out"):
        assert dialogue.turns[-1].text
        assert dialogue.turns[-1].emotion is not None
