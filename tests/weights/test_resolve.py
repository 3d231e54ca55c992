"""A pretrained part may be named as a pin, a folder, or a hub id; from the hub come data files only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ruxi.errors import UsageError, WeightsError
from ruxi.weights import resolve
from tests.weights.hub import COMMIT, Hub, serving

# What repositories hold beside the weights: pickles, code, and copies for other programs.
FILES = {
    "model.safetensors": b"weights",
    "config.json": b"{}",
    "tokenizer.json": b'{"model": {}}',
    "tokenizer.model": b"pieces",
    "chat_template.jinja": b"{{ messages }}",
    "merges.txt": b"a b",
    "pytorch_model.bin": b"a pickle",
    "modeling_custom.py": b"raise SystemExit",
    "training_args.pt": b"a pickle",
    "original/model.safetensors": b"the same again",
    "onnx/config.json": b"{}",
    "README.md": b"# model",
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(FILES) as hub:
        yield hub


def resolve_with(endpoint: str, home: Path, name: str, **environment: str) -> str:
    """What `resolve` gives, or the message of its error, in a process with that hub and an own cache."""
    script = (
        "import sys; from ruxi.errors import RuxiError; from ruxi.weights import resolve\n"
        "try: print(resolve(sys.argv[1]))\n"
        "except RuxiError as error: print(type(error).__name__, error)"
    )
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_TOKEN": "", "HF_HUB_ETAG_TIMEOUT": "3"}
    return subprocess.run(
        [sys.executable, "-c", script, name],
        env=os.environ | settings | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()


def test_only_data_files_come_from_the_hub(hub: Hub, tmp_path: Path) -> None:
    folder = Path(resolve_with(hub.url, tmp_path, "owner/model"))
    wanted = {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer.model",
        "chat_template.jinja",
        "merges.txt",
    }
    assert {path.name for path in folder.iterdir()} == wanted
    assert set(hub.served) == wanted
    assert (folder / "model.safetensors").read_bytes() == b"weights"


def test_a_snapshot_is_found_again_without_the_network(hub: Hub, tmp_path: Path) -> None:
    online = resolve_with(hub.url, tmp_path, f"owner/model@{COMMIT}")
    resolve_with(hub.url, tmp_path, "owner/model@main")
    assert resolve_with("http://127.0.0.1:9", tmp_path, "owner/model") == online
    assert resolve_with("http://127.0.0.1:9", tmp_path, "owner/model", HF_HUB_OFFLINE="1") == online


@pytest.mark.parametrize("environment", [{}, {"HF_HUB_OFFLINE": "1"}])
def test_without_network_and_cache_the_remedy_is_named(tmp_path: Path, environment: dict[str, str]) -> None:
    message = resolve_with("http://127.0.0.1:9", tmp_path, "owner/model", **environment)
    assert message.startswith(
        "WeightsError hub repository owner/model: cannot be fetched and is not in the local cache"
    )
    assert "or give a local folder." in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("owner/nothing", "does not exist, or is private"),
        ("owner/gated", "Accept the terms on https://huggingface.co/owner/gated"),
        ("owner/model@v9", "owner/model@v9: has no such branch, tag or commit"),
    ],
)
def test_what_the_hub_refuses_is_one_clear_line(hub: Hub, tmp_path: Path, name: str, message: str) -> None:
    answer = resolve_with(hub.url, tmp_path, name)
    assert answer.startswith("WeightsError")
    assert message in answer
    assert "\n" not in answer


def test_a_repository_with_pickles_only_is_refused(tmp_path: Path) -> None:
    with serving({"config.json": b"{}", "pytorch_model.bin": b"a pickle"}) as hub:
        answer = resolve_with(hub.url, tmp_path, "owner/model")
        assert "has no .safetensors file" in answer
        assert hub.served == ["config.json"]


def test_a_local_folder_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my" / "model"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    assert resolve(folder) == folder
    # A folder of that name wins over the hub id that it could be.
    assert resolve("my/model") == folder
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"my/model: has no \.safetensors file.*save_pretrained"):
        resolve("my/model")


@pytest.mark.parametrize("name", ["nothing", "./no/folder", "/no/folder", "a/b/c", "-/-", "o/m@../../x y", ""])
def test_a_name_that_is_nothing_lists_the_pinned_parts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UsageError, match=r"whisper-base|Hub ids read OWNER/NAME"):
        resolve(name)


def test_a_pinned_part_that_is_missing_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUXI_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"Run `ruxi pull whisper-base`\."):
        resolve("whisper-base")
