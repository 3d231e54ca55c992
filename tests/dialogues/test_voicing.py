"""Spoken turns: nothing that was said is lost, and the same words are one sound."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ruxi.cli import app
from ruxi.cli.commands import register
from ruxi.dialogues import CastMember, DatasetWriter, Dialogue, DialogueSet, Part, Turn
from ruxi.dialogues.voicing import Voicing
from ruxi.errors import DataError
from tests.dialogues.sources import png


def _hum(text: str) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(len(text).to_bytes(2, "little") * 800 * len(text.split()))
    return buffer.getvalue()


@pytest.fixture
def written(tmp_path: Path) -> DialogueSet:
    with DatasetWriter(tmp_path / "written", name="asked") as writer:
        picture = writer.add_medium(png())
        for number in range(20):
            question = Turn.of_text("User", "How is the weather?")
            question.parts.insert(0, Part(kind="image", media=picture))
            cast = [CastMember(name="User", kind="user"), CastMember(name="Mira")]
            turns = [
                question,
                Turn.of_text("Mira", "Stormy."),
                Turn.of_text("User", "..."),
                Turn.of_text("User", "Oh."),
            ]
            writer.add(Dialogue(id=f"d{number}", cast=cast, turns=turns))
    return DialogueSet.open(tmp_path / "written")


def test_users_speak_and_their_words_become_transcripts(written: DialogueSet, tmp_path: Path) -> None:
    report = Voicing(_hum, "hum").run(written, tmp_path / "spoken")
    assert (report.dialogues, report.voiced, report.turns, report.sounds) == (20, 20, 40, 2)
    assert report.seconds == pytest.approx(0.5), "0.1 s a word, and each wording once"
    for dialogue in DialogueSet.open(tmp_path / "spoken"):
        question, answer, dots, _ = dialogue.turns
        assert [(part.kind, part.text) for part in question.parts] == [
            ("image", None),
            ("audio", "How is the weather?"),
        ]
        sound = question.parts[1]
        assert sound.media is not None
        assert sound.end == pytest.approx(0.4)
        assert DialogueSet.open(tmp_path / "spoken").media.read(sound.media) == _hum("How is the weather?")
        assert [answer.text, dots.text] == ["Stormy.", "..."], "characters and what cannot be said stay written"


def test_a_share_of_the_dialogues_is_spoken_and_always_the_same(written: DialogueSet, tmp_path: Path) -> None:
    voiced = [Voicing(_hum, "hum", share=0.5).run(written, tmp_path / name).voiced for name in ("a", "b")]
    assert voiced[0] == voiced[1]
    assert 3 < voiced[0] < 17


def test_a_set_without_users_is_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set", name="alone") as writer:
        writer.add(Dialogue(id="d", cast=[CastMember(name="Mira")], turns=[Turn.of_text("Mira", "Alone.")]))
    with pytest.raises(DataError, match="kind `user`"):
        Voicing(_hum, "hum").run(DialogueSet.open(tmp_path / "set"), tmp_path / "spoken")


@pytest.mark.weights
def test_the_command_speaks_with_the_voice_that_comes_along(written: DialogueSet, tmp_path: Path) -> None:
    register(app)
    spoken = CliRunner().invoke(app, ["data", "voice", str(written.path), str(tmp_path / "spoken"), "--json"])
    assert spoken.exit_code == 0, spoken.output
    report = json.loads(spoken.stdout)
    assert report["sounds"] == 2
    assert 0.8 < report["seconds"] < 8
