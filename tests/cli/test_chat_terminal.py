"""The chat in a real pseudo-terminal: typing, streaming, Ctrl-C and Ctrl-D."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pexpect
import pytest

from ruxi.characters import Character
from ruxi.cli.chat_terminal import _file_and_words
from ruxi.errors import UsageError
from tests.tiny_models import save_llama

CARD = Character(name="Mira", description="An airship captain.", first_mes="Welcome aboard, {{user}}!")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    CARD.save(folder / "captain.json")
    save_llama(folder / "llama", talkative=True)
    (folder / "text.png").write_text("this is only text")
    return folder


def terminal(folder: Path, *arguments: str) -> pexpect.spawn:
    return pexpect.spawn(
        sys.executable,
        ["-c", "from ruxi.cli import main; main()", "chat", "--model", "llama", *arguments],
        cwd=str(folder), encoding="utf-8", timeout=120, dimensions=(40, 200), echo=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1", "TERM": "dumb"},
    )  # fmt: skip


def test_a_whole_conversation(folder: Path) -> None:
    chat = terminal(folder, "captain.json", "--user", "Sam", "--max-tokens", "8")
    chat.expect_exact("Mira: Welcome aboard, Sam!")
    chat.expect_exact("Sam> ")
    chat.sendline("Where to?")
    chat.expect("Mira: (.+)\r\n")
    first = chat.match[1]
    chat.expect_exact("Sam> ")
    chat.sendline("/retry")
    chat.expect("Mira: (.+)\r\n")
    second = chat.match[1]
    assert first != second
    chat.expect_exact("Sam> ")
    chat.sendline("/image text.png")
    chat.expect("! text.png: .*\r\n")
    chat.sendline("/dance")
    chat.expect_exact("! there is no command /dance. /help lists them.")
    chat.sendline("/save kept/chat.jsonl")
    chat.expect_exact("kept in kept/chat.jsonl")
    chat.sendline("你好")
    chat.expect("Mira: .+\r\n")
    chat.sendline("/undo")
    chat.expect_exact("taken back: Sam: 你好")
    chat.sendline("/load kept/chat.jsonl")
    chat.expect_exact("Sam: Where to?")
    chat.expect_exact("Sam> ")
    chat.sendline("/quit")
    chat.expect_exact("Kept in kept/chat.jsonl")
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 0
    turns = json.loads((folder / "kept" / "chat.jsonl").read_text())["turns"]
    assert [turn["speaker"] for turn in turns] == ["Mira", "Sam", "Mira"]


def test_ctrl_c_stops_the_reply_and_keeps_the_chat(folder: Path) -> None:
    chat = terminal(folder, "captain.json", "--max-tokens", "700", "--save", "stopped.jsonl")
    chat.expect_exact("User> ")
    chat.sendline("Tell me a long story.")
    chat.expect("Mira: .{20}")
    chat.kill(signal.SIGINT)
    chat.expect_exact("[stopped]")
    chat.expect_exact("User> ")
    chat.kill(signal.SIGINT)  # at the prompt: an empty line, not the end
    chat.expect_exact("User> ")
    chat.sendline("/undo")
    chat.expect_exact("taken back: User: Tell me a long story.")
    chat.expect_exact("taken back: Mira: ")
    chat.sendline("Again!")
    chat.expect("Mira: .{20}")
    chat.sendintr()
    chat.expect_exact("[stopped]")
    chat.expect_exact("User> ")
    chat.sendeof()  # at the prompt: the terminal forgets an end that comes between two
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 0
    turns = json.loads((folder / "stopped.jsonl").read_text())["turns"]
    assert turns[-1]["finish_reason"] == "cancelled"
    assert turns[-1]["parts"][0]["text"]


@pytest.mark.parametrize(
    ("rest", "file", "words"),
    [
        ("storm.jpg", "storm.jpg", None),
        ("storm.jpg What's this?", "storm.jpg", "What's this?"),
        ("'my storm.jpg' Look!", "my storm.jpg", "Look!"),
        (r"my\ storm.jpg Look!", "my storm.jpg", "Look!"),
    ],
)
def test_a_file_and_the_words_that_go_with_it(rest: str, file: str, words: str | None) -> None:
    assert _file_and_words(rest) == (file, words)


def test_a_file_with_spaces_needs_no_quotes_when_it_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "my own storm.jpg"
    path.write_bytes(b"")
    assert _file_and_words(str(path)) == (str(path), None)
    with pytest.raises(UsageError, match="not closed"):
        _file_and_words("'storm.jpg Look!")
