from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ruxi.errors import MediaError
from ruxi.files import sha256_of_bytes
from ruxi.media import Limits, MediaFolder, open_medium
from tests.media.samples import sample


def test_media_are_kept_by_content(tmp_path: Path) -> None:
    folder = MediaFolder(tmp_path / "media")
    assert list(folder) == []
    picture = tmp_path / "holiday.txt"
    picture.write_bytes(sample("rgb.png"))
    names = {name: folder.add(sample(name)) for name in ("baseline.jpg", "16.wav", "aac.m4a", "h264.mp4", "vp9.webm")}
    names["rgb.png"] = folder.add(picture)
    for name, sha256 in names.items():
        assert sha256 == sha256_of_bytes(sample(name))
        assert sha256 in folder
        path = folder.path(sha256)
        assert path == tmp_path / "media" / sha256[:2] / f"{sha256}{Path(name).suffix}"
        assert folder.read(sha256) == sample(name)
        assert open_medium(path).sha256 == sha256
    assert list(folder) == sorted(names.values())
    assert len(folder) == 6
    assert picture.exists()


def test_adding_again_changes_nothing(tmp_path: Path) -> None:
    folder = MediaFolder(tmp_path)
    sha256 = folder.add(sample("rgb.png"))
    before = folder.path(sha256).stat()
    assert folder.add(sample("rgb.png")) == sha256
    assert folder.add(folder.path(sha256)) == sha256
    after = folder.path(sha256).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_only_media_come_in(tmp_path: Path) -> None:
    folder = MediaFolder(tmp_path, limits=Limits(bytes=1_000))
    for medium, words in {
        b"": "an empty file",
        b"#!/bin/sh\nrm": "a text file",
        sample("baseline.jpg"): "the limit is 1,000",
        tmp_path / "none": "no such file",
    }.items():
        with pytest.raises(MediaError, match=words):
            folder.add(medium)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../secret",
        "/etc/passwd",
        "a" * 63,
        "A" * 64,
        "*" * 64,
        f"{'a' * 64}\n",
        f"{'a' * 62}/x",
        "a" * 65,
        "?" * 64,
    ],
)
def test_names_that_are_no_digest_lead_nowhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_bytes(sample("rgb.png"))
    folder = MediaFolder(tmp_path / "media")
    folder.add(sample("rgb.png"))
    assert name not in folder
    for method in (folder.path, folder.read):
        with pytest.raises(MediaError, match="no medium"):
            method(name)


def test_missing_media_say_so(tmp_path: Path) -> None:
    folder = MediaFolder(tmp_path)
    with pytest.raises(MediaError, match=f"^{tmp_path}: no medium '{'a' * 64}'. Copy the whole media folder"):
        folder.read("a" * 64)
    assert 5 not in folder


def test_content_that_changed_is_noticed(tmp_path: Path) -> None:
    folder = MediaFolder(tmp_path)
    sha256 = folder.add(sample("rgb.png"))
    folder.path(sha256).write_bytes(sample("alpha.png"))
    with pytest.raises(MediaError, match="does not fit its name"):
        folder.read(sha256)


def test_links_in_a_foreign_folder_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(sample("rgb.png"))
    sha256 = sha256_of_bytes(sample("rgb.png"))
    inside = tmp_path / "media" / sha256[:2]
    inside.mkdir(parents=True)
    os.symlink(secret, inside / f"{sha256}.png")
    folder = MediaFolder(tmp_path / "media")
    assert sha256 not in folder
    assert list(folder) == []
    with pytest.raises(MediaError, match="no medium"):
        folder.read(sha256)


def test_several_processes_may_add_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from ruxi.media import MediaFolder\n"
        "folder = MediaFolder(sys.argv[1])\n"
        "for path in sys.argv[2:] * 20: print(folder.add(path))\n"
    )
    paths = []
    for name in ("rgb.png", "16.wav", "lossy.webp"):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(sample(name))
    runs = [
        subprocess.Popen([sys.executable, "-c", program, tmp_path / "media", *paths], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    outputs = {run.communicate(timeout=60)[0] for run in runs}
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len(outputs) == 1
    folder = MediaFolder(tmp_path / "media")
    assert len([path for path in folder.root.rglob("*") if path.is_file()]) == 3
    assert {folder.read(sha256) for sha256 in folder} == {path.read_bytes() for path in paths}
