"""Several processes, killed processes, broken connections and full disks, with real processes and a real index."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ruxi.weights import Store, pull, require
from ruxi.weights.catalogue import Part
from tests.weights.disks import limited_files, needs_mount, read_only_disk, small_disk
from tests.weights.parcels import ALPHA, Index, ruxi, ruxi_command, serving


@pytest.fixture
def index(environment: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    monkeypatch.setenv("PIP_NO_INDEX", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with serving(wheels) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        yield index


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.glob(".*") if path.name != ".lock"]


def test_two_processes_that_pull_at_once_do_the_work_once(parts: dict[str, Part], index: Index, store: Store) -> None:
    index.hold.clear()
    first = subprocess.Popen(ruxi_command(parts, "pull", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert index.started.wait(30)
    second = subprocess.Popen(ruxi_command(parts, "pull", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert second.stderr is not None
    # The second one says that it waits, and only then may the first go on.
    assert b"another pull is running" in second.stderr.readline()
    index.hold.set()
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in (first, second)]

    assert (first.returncode, second.returncode) == (0, 0)
    assert [[part["status"] for part in answer["parts"]] for answer in answers] == [
        ["installed", "installed"],
        ["present", "present"],
    ]
    assert sorted(index.requests.values()) == [1, 1, 1]
    assert require("beta", store=store)


def test_a_killed_pull_leaves_nothing_and_the_next_one_succeeds(
    parts: dict[str, Part], index: Index, store: Store
) -> None:
    index.hold.clear()
    process = subprocess.Popen(ruxi_command(parts, "pull"), start_new_session=True)
    assert index.started.wait(30)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert leftovers(store.root)
    assert not (store.root / "alpha").exists()

    index.hold.set()
    result = ruxi(parts, "pull")
    assert result.returncode == 0, result.stderr
    assert (require("alpha", store=store) / "alpha.bin").read_bytes() == ALPHA
    assert leftovers(store.root) == []


def test_an_interrupted_pull_says_how_to_go_on(parts: dict[str, Part], index: Index, store: Store) -> None:
    index.hold.clear()
    process = subprocess.Popen(ruxi_command(parts, "pull"), start_new_session=True, stderr=subprocess.PIPE, text=True)
    assert index.started.wait(30)
    os.killpg(process.pid, signal.SIGINT)
    index.hold.set()
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.splitlines()[-1].startswith("ruxi: stopped")
    assert "Traceback" not in stderr
    assert leftovers(store.root) == []


def test_a_connection_that_breaks_off_is_one_clear_line(parts: dict[str, Part], index: Index, store: Store) -> None:
    index.stop_after = 50_000
    result = ruxi(parts, "pull", "alpha")
    assert result.returncode == 1
    assert "the download broke off or arrived damaged, nothing was installed" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert [path.name for path in store.root.iterdir()] == [".lock"]


def test_a_download_that_breaks_off_once_is_taken_up_again(index: Index, store: Store) -> None:
    index.break_once_at = 50_000
    assert pull(["alpha"], store=store)[0].status == "installed"
    assert index.requests["parcel_alpha-1.0-py3-none-any.whl"] == 2


def test_too_little_room_is_said_before_anything_is_fetched(parts: dict[str, Part], index: Index) -> None:
    before = (
        "import shutil; from collections import namedtuple\n"
        "shutil.disk_usage = lambda path: namedtuple('usage', 'total used free')(10**9, 10**9 - 10**5, 10**5)"
    )
    result = ruxi(parts, "pull", before=before)
    assert result.returncode == 1
    message = result.stderr.splitlines()[-1]
    assert "no room on the disk for alpha, beta: 1.1 MB needed, 0.1 MB free" in message
    assert "RUXI_HOME" in message
    assert not index.requests


@pytest.mark.parametrize("name", ["alpha", "beta"], ids=["while pip downloads", "while files are joined"])
def test_a_limit_on_file_sizes_reads_like_a_full_disk(parts: dict[str, Part], store: Store, name: str) -> None:
    # The wheel of alpha is larger than the limit; those of beta are smaller, but not the file they make.
    result = ruxi(parts, "pull", name, before=limited_files(150_000))
    assert result.returncode == 1
    assert f"no room on the disk for {name}" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert [path.name for path in store.root.iterdir()] == [".lock"]


@needs_mount
@pytest.mark.parametrize(("name", "kilobytes"), [("alpha", 200), ("beta", 380)], ids=["download", "unpack"])
def test_a_disk_that_fills_up_is_one_clear_line(
    parts: dict[str, Part], environment: Path, name: str, kilobytes: int
) -> None:
    # What was free when the pull began is gone while it runs: another program took it.
    before = "from ruxi.weights import room\nroom.check = lambda store, parts: None"
    result = ruxi(parts, "pull", name, before=before, prefix=small_disk(environment.parent, kilobytes))
    assert result.returncode == 1
    assert f"no room on the disk for {name}" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert result.stdout.split() == [".lock"]


@needs_mount
def test_a_store_on_a_read_only_disk_is_used_without_writing(store: Store, parts: dict[str, Part]) -> None:
    pull(store=store)
    home = store.root.parent
    assert ruxi(parts, "pull", prefix=read_only_disk(home)).returncode == 0
    shutil.rmtree(store.root / "beta")
    result = ruxi(parts, "pull", prefix=read_only_disk(home))
    assert result.returncode == 1
    assert "the store cannot be written (Read-only file system)" in result.stderr.splitlines()[-1]
