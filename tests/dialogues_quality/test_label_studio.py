"""The whole way through a real Label Studio server: projects made, tasks sent, two people answer, answers back.

The server comes from PyPI into an environment of its own, because its dependencies clash with ours. The environment is
made once and kept in Ruxi's folder; the test is skipped only where pip cannot install it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock

from ruxi import weights
from ruxi.dialogues import Part, Turn
from ruxi.dialogues.crowd import read_manifest
from ruxi.dialogues.store import DialogueSet
from ruxi.files import sha256_of_bytes

from .conftest import LINES, dialogue, picture, sound, text

VERSION = "1.23.2"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
MakeSet = Callable[..., Path]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def program() -> Path:
    """Label Studio in an environment of its own."""
    tools = weights.home() / "test-tools"
    folder = tools / f"label-studio-{VERSION}"
    tools.mkdir(parents=True, exist_ok=True)
    with FileLock(tools / "label-studio.lock"):
        if not (folder / "installed").is_file():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, capture_output=True)
            command = [folder / "bin" / "pip", "install", "--quiet", f"label-studio=={VERSION}"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                pytest.skip(f"pip cannot install label-studio {VERSION}: {reason}")
            (folder / "installed").touch()
    return folder / "bin" / "label-studio"


@pytest.fixture(scope="module")
def server(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a fresh server with an SQLite database."""
    data = tmp_path_factory.mktemp("label-studio")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "HOME": str(data),
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
    }
    command = [
        program, "start", "--no-browser", "--port", str(port), "--internal-host", "127.0.0.1", "--data-dir", data,
        "--username", "anna@example.org", "--password", "long enough 1", "--user-token", TOKEN,
        "--enable-legacy-api-token", "--log-level", "ERROR",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(list(map(str, command)), env=environment, stdout=log, stderr=log)
        try:
            for _ in range(240):
                assert process.poll() is None, (data / "log").read_text()[-2000:]
                try:
                    if httpx.get(f"{url}/health").status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(1)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def sign_up(url: str, address: str) -> str:
    """A second person's account, made by the page where people make theirs; returns the access token."""
    with httpx.Client(base_url=url, timeout=60) as browser:
        page = browser.get("/user/signup/").text
        found = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found
        form = {"csrfmiddlewaretoken": found.group(1), "email": address, "password": "long enough 2"}
        answer = browser.post("/user/signup/", data=form, headers={"Referer": f"{url}/user/signup/"})
        assert answer.status_code == 302, answer.text[:500]
        return str(browser.get("/api/current-user/token").json()["token"])


def answer_all(url: str, token: str, projects: list[int], judge: Callable[[dict[str, Any], str], Any]) -> int:
    """Let a person answer every task of the projects through the API."""
    count = 0
    with httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=60) as client:
        for project in projects:
            layout = client.get(f"/api/projects/{project}/").json()["label_config"]
            questions = re.findall(r'<(?:Choices|Rating) name="(\w+)"', layout)
            for task in client.get("/api/tasks", params={"project": project, "page_size": 100}).json()["tasks"]:
                results = []
                for question in questions:
                    value = judge(task["data"], question)
                    kind = "rating" if question == "in_character" else "choices"
                    inner = {"rating": value} if kind == "rating" else {"choices": [value]}
                    results.append({"from_name": question, "to_name": "dialogue", "type": kind, "value": inner})
                made = client.post(f"/api/tasks/{task['id']}/annotations/", json={"result": results})
                assert made.status_code == 201, made.text
                count += 1
    return count


def crowd(*arguments: str | Path, token: str = TOKEN) -> dict[str, Any]:
    command = [str(Path(sys.executable).with_name("ruxi")), "data", "crowd", *map(str, arguments), "--json"]
    environment = os.environ | {"LABEL_STUDIO_TOKEN": token}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_two_people_answer_and_their_labels_come_back(server: str, make_set: MakeSet, tmp_path: Path) -> None:
    image, voice = picture(), sound()
    shown = Turn(speaker="User", parts=[text("Do you see the ship?"), Part(kind="image", media=sha256_of_bytes(image))])
    heard = Turn(
        speaker="Mira", parts=[Part(kind="audio", media=sha256_of_bytes(voice), text="I see it, and it burns.")]
    )
    folder = make_set(
        [
            dialogue(n, ("User", f"{LINES[0]} {n}"), Turn.of_text("Mira", f"{LINES[1]} {n}", emotion="joy"))
            for n in range(3)
        ]
        + [dialogue("harbour", shown, heard)],
        media=[image, voice],
    )
    (tmp_path / "replies.jsonl").write_text(
        "".join(json.dumps({"dialogue": str(n), "turn": 1, "reply": "I am a language model."}) + "\n" for n in range(3))
    )
    sent = crowd(
        "send", folder, tmp_path / "sent", "--url", server, "--annotators", "2", "--gold", "2",
        "--questions", "emotion,intent,in_character,better_reply", "--replies", tmp_path / "replies.jsonl",
    )  # fmt: skip
    assert set(sent["projects"]) == {"text", "text-replies", "image", "image+audio"}
    assert sent["tasks"] == 8 + 3
    manifest = read_manifest(tmp_path / "sent" / "manifest.jsonl")

    projects = list(sent["projects"].values())
    with httpx.Client(base_url=server, headers={"Authorization": f"Token {TOKEN}"}) as client:
        tasks = client.get("/api/tasks", params={"project": sent["projects"]["image+audio"]}).json()["tasks"]
        assert client.get(tasks[0]["data"]["images"][0]).content == image
        assert client.get(tasks[0]["data"]["audio"]).content == voice

    def anna(data: dict[str, Any], question: str) -> Any:
        task = manifest[data["task"]]
        better = "first" if task.first_is_original else "second"
        return {"emotion": "joy", "intent": "statement", "in_character": 5, "better_reply": better}[question]

    def ben(data: dict[str, Any], question: str) -> Any:
        if question == "emotion":
            return "joy" if manifest[data["task"]].lines[-1].speaker == "Mira" else "fear"
        return 3 if question == "in_character" else anna(data, question)

    assert answer_all(server, TOKEN, projects, anna) == 11
    assert answer_all(server, sign_up(server, "ben@example.org"), projects, ben) == 11

    report = crowd("fetch", folder, tmp_path / "sent", tmp_path / "out", "--method", "majority", "--least", "0.5")
    assert report["judgements"] == 2 * (8 * 3 + 3)
    assert set(report["annotators"]) == {"anna@example.org", "ben@example.org"}
    assert report["annotators"]["anna@example.org"]["gold_accuracy"] == 1.0
    assert report["alpha"]["emotion"] is not None
    assert report["alpha"]["emotion"] < 1.0
    assert report["preferences"] == 3

    labelled = DialogueSet.open(tmp_path / "out")
    turn = labelled.get("harbour").turns[1]
    assert (turn.emotion, turn.intent, turn.rating) == ("joy", "statement", 0.75)
    pairs = [json.loads(line) for line in (tmp_path / "out" / "preferences.jsonl").read_text().splitlines()]
    assert {pair["rejected"] for pair in pairs} == {"I am a language model."}


def test_a_wrong_token_and_a_personal_access_token(server: str, make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set([dialogue(1, ("User", LINES[0]), ("Mira", LINES[1]))])
    command = [
        str(Path(sys.executable).with_name("ruxi")),
        "data",
        "crowd",
        "send",
        folder,
        tmp_path / "no",
        "--url",
        server,
    ]
    environment = os.environ | {"LABEL_STUDIO_TOKEN": "f" * 40}
    refused = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, timeout=120)
    assert refused.returncode == 1
    assert "the token is refused" in refused.stderr

    with httpx.Client(base_url=server, headers={"Authorization": f"Token {TOKEN}"}) as client:
        client.post("/api/jwt/settings", json={"api_tokens_enabled": True, "legacy_api_tokens_enabled": True})
        made = client.post("/api/token/")
        assert made.status_code == 201, made.text
    sent = crowd(
        "send", folder, tmp_path / "sent", "--url", server, "--questions", "intent", token=made.json()["token"]
    )
    assert sent["tasks"] == 2
