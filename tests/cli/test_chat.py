"""`ruxi chat` as a program: one turn in, one reply out, and one clear line for whatever is wrong."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import subprocess
import sys
import wave
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ruxi.characters import Character
from ruxi.characters.faults import printable
from ruxi.cli import main
from tests.runtime.speaking_server import Answer, speaking
from tests.senses import as_file, png, wav
from tests.tiny_models import save_llama

CARD = Character(name="Mira", description="An airship captain.", first_mes="Welcome aboard, {{user}}!")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a card and a tiny model."""
    folder = tmp_path_factory.mktemp("chat")
    CARD.save(folder / "captain.json")
    save_llama(folder / "llama", talkative=True)
    return folder


def ruxi(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from ruxi.cli import main; main()", *arguments],
        capture_output=True, text=True, cwd=folder, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The command in this process, where torch is imported already: exit code, output, errors."""

    def run(*arguments: str, text: str = "") -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["ruxi", "chat", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True))
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        sys.stdout.seek(0)
        return (code if isinstance(code, int) else 0), sys.stdout.read(), capfd.readouterr().err

    return run


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """The single line on stderr of a run that failed."""
    assert result.returncode in (1, 2)
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("ruxi: ")
    return line


def test_one_turn_prints_one_json_object_and_nothing_else(folder: Path, run: Run) -> None:
    command = ("captain.json", "--model", "llama", "--say", "Where to?", "--max-tokens", "12", "--json")
    result = ruxi(folder, "chat", *command, "--seed", "4")
    assert result.returncode == 0, result.stderr
    reply = json.loads(result.stdout)
    assert reply["character"] == "Mira"
    assert reply["text"]
    assert (reply["emotion"], reply["seen"], reply["heard"]) == (None, [], [])
    assert set(reply["timings"]) == {"perceive", "first_token", "total"}
    assert reply["usage"]["completion_tokens"] == 12
    assert reply["finish_reason"] == "length"
    assert result.stderr == ""
    assert json.loads(run(*command, "--seed", "4")[1])["text"] == reply["text"]


def test_replies_fit_a_schema_that_is_checked_before_the_model_is_loaded(run: Run, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    mood = {"type": "object", "properties": {"mood": {"enum": ["calm", "angry"]}}, "required": ["mood"]}
    schema.write_text(json.dumps({**mood, "additionalProperties": False}))
    command = ("captain.json", "--say", "Where to?", "--schema", str(schema))
    code, output, _ = run(*command, "--model", "llama", "--max-tokens", "80", "--seed", "1")
    assert code == 0
    assert json.loads(output)["mood"] in ("calm", "angry")
    schema.write_text('{"type": "objekt"}')
    code, output, errors = run(*command, "--model", "nowhere")
    assert (code, output) == (2, "")
    assert "Invalid type: objekt" in errors
    schema.write_text("{")
    assert run(*command, "--model", "nowhere")[0] == 2
    schema.unlink()
    assert "cannot be read" in run(*command, "--model", "nowhere")[2]


def test_a_server_can_play_the_role(run: Run) -> None:
    with speaking(lambda body: Answer(("The wind", " is turning."))) as server:
        code, output, errors = run("captain.json", "--engine", server.url, "--say", "Where to?")
    assert (code, output.strip(), errors) == (0, "The wind is turning.", "")
    code, _, errors = run("captain.json", "--engine", "http://127.0.0.1:9/v1", "--say", "Where to?")
    assert code == 1
    assert errors.startswith("ruxi: http://127.0.0.1:9/v1: no answer after 3 attempts")


def test_a_chat_goes_on_from_call_to_call(run: Run, tmp_path: Path) -> None:
    chat = str(tmp_path / "chat.jsonl")
    common = ("--model", "llama", "--max-tokens", "6")
    assert run("captain.json", "--say", "One", "--save", chat, "--user", "Sam", *common)[0] == 0
    code, output, _ = run("--resume", chat, "--say", "Two", *common)
    assert code == 0
    turns = json.loads(Path(chat).read_text())["turns"]
    assert [turn["speaker"] for turn in turns] == ["Sam", "Mira", "Sam", "Mira"]
    assert printable(turns[3]["parts"][0]["text"]).strip() == output.strip()


def test_lines_from_a_pipe_are_answered_one_by_one(run: Run) -> None:
    code, output, _ = run("captain.json", "--model", "llama", "--max-tokens", "4", text="Hello\n/help\n/undo\n/quit\n")
    assert code == 0
    assert "Mira: Welcome aboard, User!" in output
    assert "/retry" in output
    assert "taken back: User: Hello" in output


def test_instructions_of_a_card_from_a_file_are_shown_before_they_are_used(run: Run, folder: Path) -> None:
    CARD.model_copy(update={"system_prompt": "Obey \x1b[2Jme."}).save(folder / "bossy.json")
    code, output, errors = run("bossy.json", "--model", "llama", "--say", "Hi", "--max-tokens", "4", "--json")
    assert code == 0
    assert "system_prompt" in errors
    assert r"Obey \x1b[2Jme." in errors
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--say", ""), "nothing to answer"), (("--say", "Hi", "--user", "Mira"), "both called 'Mira'")],
)
def test_what_only_the_scene_can_refuse_is_refused_in_one_line(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    code, output, errors = run("captain.json", "--model", "llama", *arguments)
    assert (code, output) == (2, "")
    (line,) = errors.strip().splitlines()
    assert message in line


def huge_png() -> bytes:
    """60,000 x 60,000 pixels, by its header."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def long_wav(path: Path) -> None:
    """Three hours of silence at 1,000 Hz."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, 1_000, 0, "NONE", ""))
        file.writeframes(b"\x80" * (3 * 3600 * 1_000))


def test_wrong_inputs_end_in_one_clear_line(folder: Path) -> None:
    as_file(folder, "text.png", b"this is only text")
    as_file(folder, "huge.png", huge_png())
    as_file(folder, "fine.png", png())
    as_file(folder, "chat.jsonl", b"{}\n")
    long_wav(folder / "long.wav")
    cases: list[tuple[tuple[str, ...], int, str]] = [
        (("captain.json", "--say", "Hi", "--image", "missing.png"), 1, "missing.png: no such file"),
        (("captain.json", "--image", "text.png"), 1, "text.png: "),
        (("captain.json", "--image", "huge.png"), 1, "huge.png: .*60,000"),
        (("captain.json", "--audio", "long.wav"), 1, "long.wav: .*10,800"),
        (("captain.json", "--audio", "fine.png"), 1, "fine.png: "),
        (("nobody", "--say", "Hi"), 1, "nobody: "),
        (("text.png", "--say", "Hi"), 1, "text.png: "),
        (("captain.json", "--json"), 2, "--json prints one reply"),
        (("captain.json", "--say", "Hi", "--temperature", "-1"), 2, "temperature is -1"),
        (("captain.json", "--say", "Hi", "--seed", "-1"), 2, "seed is -1"),
        (("captain.json", "--say", "Hi", "--engine", "abacus"), 2, "abacus"),
        (("captain.json", "--say", "Hi", "--model", "no-such-model"), 2, "no-such-model"),
        (("captain.json", "--say", "Hi", "--language", "fr"), 1, "'fr'"),
        (("captain.json", "--say", "Hi", "--emotion", "hangry"), 2, "hangry"),
        (("captain.json", "--resume", "chat.jsonl"), 2, "--resume: "),
        (("captain.json", "--save", "chat.jsonl", "--say", "Hi"), 1, "chat.jsonl: a chat is already saved there"),
        (("--resume", "chat.jsonl", "--say", "Hi"), 1, "chat.jsonl: id: "),
    ]
    for arguments, code, pattern in cases:
        result = ruxi(folder, "chat", *arguments)
        assert result.returncode == code, (arguments, result.stderr)
        assert re.search(pattern, one_line(result)), (arguments, result.stderr)


def test_an_unknown_option_is_wrong_usage(folder: Path) -> None:
    result = ruxi(folder, "chat", "--sing")
    assert result.returncode == 2
    assert "--sing" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.weights
@pytest.mark.slow
def test_ruxi_mini_sees_and_hears_and_answers(folder: Path) -> None:
    as_file(folder, "blue.png", png())
    as_file(folder, "tone.wav", wav(seconds=1.0))
    result = ruxi(
        folder, "chat", "captain.json", "--say", "What is this?", "--image", "blue.png", "--audio", "tone.wav",
        "--max-tokens", "16", "--seed", "1", "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    reply = json.loads(result.stdout)
    assert reply["text"]
    assert reply["seen"]
    assert all(0 <= label["score"] <= 1 for label in reply["seen"])
    assert len(reply["heard"]) == 1
    assert reply["timings"]["perceive"] > 0
