"""Chats on disk: nothing acknowledged is lost, and a chat goes on where it ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ruxi.dialogues import Dialogue
from ruxi.errors import DataError
from ruxi.features import FeatureCache
from ruxi.scene import Scene
from tests.scene.conftest import MIRA, SceneMaker
from tests.scripted import ScriptedEngine, small_tokenizer
from tests.senses import png, senses, wav


def saved(path: Path) -> Dialogue:
    return Dialogue.model_validate_json(path.read_text())


def resume(path: Path, tmp_path: Path, *replies: str) -> Scene:
    return Scene.load(
        path, ScriptedEngine(*replies), extractors=senses(), cache=FeatureCache(tmp_path / "other-features")
    )


def test_every_turn_is_on_the_disk_when_it_is_acknowledged(make_scene: SceneMaker, tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    scene = make_scene("Aye, the wind is turning.", path=path)
    stream = scene.stream("Well?")
    next(stream)
    assert [turn.text for turn in saved(path).turns] == ["Well?"]
    stream.close()
    assert len(saved(path).turns) == 2
    scene.undo()
    assert saved(path).turns == []


def test_a_resumed_chat_goes_on_with_its_character_media_and_history(make_scene: SceneMaker, tmp_path: Path) -> None:
    scene = make_scene("Aye.", user="Sam")
    scene.greet()
    scene.say("Look!", image=png(), audio=wav())
    path = scene.save(tmp_path / "chats" / "first.jsonl")
    again = resume(path, tmp_path, "Blue, still.")
    assert again.character.description == MIRA.description
    assert again.user == "Sam"
    assert again.dialogue == scene.dialogue
    again.say("What did I show you?")
    engine: Any = again.engine
    assert {slot.kind for slot in engine.asked[0].slots} == {"image", "audio"}
    assert len(engine.media[0]) == 2
    assert len(saved(path).turns) == 5
    assert (saved(path).turns[3].start or 0) >= (scene.dialogue.turns[-1].end or 0)


def test_a_chat_goes_on_without_the_media_that_are_gone(
    make_scene: SceneMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = make_scene("Aye.", path=tmp_path / "chat.jsonl")
    scene.say("Look!", image=png())
    shutil.rmtree(tmp_path / "media")
    again = resume(tmp_path / "chat.jsonl", tmp_path, "A blue one.")
    assert again.say("What did I show you?").text == "A blue one."
    engine: Any = again.engine
    assert engine.media == [{}]
    assert "blue" in small_tokenizer().decode(list(engine.asked[0].input_ids))
    assert "no medium" in caplog.text


def test_a_saved_chat_is_a_data_set(make_scene: SceneMaker, tmp_path: Path) -> None:
    from ruxi.dialogues.store import DialogueSet

    scene = make_scene("Aye.", path=tmp_path / "chat")
    scene.say("Look!", image=png())
    opened = DialogueSet.open(tmp_path / "chat")
    (dialogue,) = opened
    assert dialogue == scene.dialogue
    assert opened.character(dialogue.cast[1].character or "").name == "Mira"
    assert opened.media.read(dialogue.turns[0].parts[0].media or "") == png()


def test_an_unanswered_last_turn_can_be_answered_after_a_resume(make_scene: SceneMaker, tmp_path: Path) -> None:
    scene = make_scene("Aye.", path=tmp_path / "chat.jsonl")
    scene.stream("Well?")  # killed before the first word
    again = resume(tmp_path / "chat.jsonl", tmp_path, "Here I am.")
    assert again.retry().text == "Here I am."
    assert [turn.text for turn in saved(tmp_path / "chat.jsonl").turns] == ["Well?", "Here I am."]


def test_another_chat_is_never_overwritten_unless_asked(make_scene: SceneMaker, tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    make_scene(path=path).say("Precious")
    other = make_scene()
    with pytest.raises(DataError, match="already saved there"):
        other.save(path)
    assert saved(path).turns[0].text == "Precious"
    other.save(path, overwrite=True)
    assert saved(path).id == other.dialogue.id


def test_two_programs_cannot_overwrite_each_others_turns(make_scene: SceneMaker, tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    scene = make_scene(path=path)
    scene.say("One")
    resume(path, tmp_path, "Elsewhere.").say("Two")
    with pytest.raises(DataError, match="another program has changed this chat"):
        scene.say("Three")
    assert [turn.text for turn in saved(path).turns][-2:] == ["Two", "Elsewhere."]
    scene.save(tmp_path / "mine.jsonl")
    assert "Three" in [turn.text for turn in saved(tmp_path / "mine.jsonl").turns]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no chat can be read"),
        ("", "holds 0 dialogues"),
        ("{}\n", "id: Field required"),
        ('{"id": "x"}\n', "names no character"),
        ('{"id": "x"}\n{"id": "y"}\n', "holds 2 dialogues"),
        ('{"id": "x", "cast": [{"name": "M", "character": "../../etc/passwd"}]}\n', "cannot be a character"),
    ],
)
def test_damaged_chats_are_named_with_their_file(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "chat.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=message) as error:
        resume(path, tmp_path, "Aye.")
    assert "chat.jsonl" in str(error.value)


CHATTER = """
import sys
from ruxi.scene import Scene
from tests.scripted import ScriptedEngine, small_tokenizer
from tests.scene.conftest import MIRA

scene = Scene(MIRA, ScriptedEngine("Aye, the wind is turning."), path=sys.argv[1])
for number in range(10_000):
    for _ in scene.stream(f"line {number}"):
        pass
    print(number, flush=True)
"""


def test_a_killed_chat_keeps_every_turn_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", CHATTER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "12":
            break
    os.kill(process.pid, signal.SIGKILL)
    acknowledged = 13 + sum(1 for _ in process.stdout)
    process.wait()
    turns = saved(path).turns
    assert len(turns) >= 2 * acknowledged
    assert [turn.text for turn in turns if turn.speaker == "User"][:13] == [f"line {n}" for n in range(13)]
    json.loads(path.read_text())
    assert resume(path, tmp_path, "Aye.").say("Still here?").text == "Aye."
