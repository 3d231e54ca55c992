"""Where media may come from, and what the user is told when nothing good comes."""

from __future__ import annotations

import base64
import os
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruxi.errors import MediaError, RuxiError
from ruxi.files import sha256_of_bytes
from ruxi.media import Limits, open_audio, open_image, open_medium, open_video
from ruxi.media.sources import read_source
from tests.media.samples import sample


def test_path_bytes_and_data_urls_give_the_same_picture(tmp_path: Path) -> None:
    data = sample("rgb.png")
    path = tmp_path / "picture.of.no.ending"
    path.write_bytes(data)
    encoded = base64.b64encode(data).decode()
    sources = [
        path,
        str(path),
        data,
        bytearray(data),
        f"data:image/png;base64,{encoded}",
        f"data:text/plain;charset=x;base64,{encoded[:20]}\n {encoded[20:]}",
        f"DATA:;base64,{quote(encoded)}",
        f"data:,{quote(data)}",
    ]
    images = [open_image(source) for source in sources]
    assert {image.sha256 for image in images} == {sha256_of_bytes(data)}
    assert {image.pixels.tobytes() for image in images} == {images[0].pixels.tobytes()}
    assert [image.source for image in images[:5]] == [str(path)] * 2 + ["bytes in memory"] * 2 + ["data URL"]


OPENERS = (open_image, open_audio, open_video, open_medium)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        ("Grüße, a note\n".encode(), "a text file"),
        (b"BM is no bitmap, and this is a text that goes on", "a text file"),
        (b"  <!DOCTYPE html><p>x", "a web page"),
        (b'<?xml version="1.0"?><svg xmlns="x"/>', "an SVG drawing"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04" + bytes(30), "a zip archive"),
        (b"\0\0\0\x18ftypheic" + bytes(16), "a HEIC picture"),
        (b"\0\0\0\x18ftypavif" + bytes(16), "an AVIF picture"),
        (b"RIFF\x10\0\0\0AVI LIST", "an AVI video"),
        (b"#EXTM3U\n/etc/passwd\n", "a playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "a playlist"),
        (bytes(range(256)), "256 bytes of no known format"),
    ],
)
def test_what_is_no_medium_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "holiday.png"
    path.write_bytes(content)
    for opener in OPENERS:
        with pytest.raises(MediaError) as caught:
            opener(path)
        assert str(caught.value).startswith(f"{path}: {words}, not a ")
        assert " Give a" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "opener", "words"),
    [
        ("h264.mp4", open_image, "an MP4 video, not a picture"),
        ("16.wav", open_image, "a WAV sound, not a picture"),
        ("rgb.png", open_audio, "a PNG picture, not a sound"),
        ("rgb.png", open_video, "a PNG picture, not a video"),
        ("lame.mp3", open_video, "an MP3 sound, not a video"),
        ("aac.m4a", open_video, "a sound without moving pictures"),
        ("opus.webm", open_video, "a sound without moving pictures"),
        ("mpeg4.mp4", open_audio, "a video without sound"),
    ],
)
def test_a_medium_of_another_kind_is_named(name: str, opener, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        opener(sample(name))


def test_places_that_hold_no_file_are_named(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.touch(mode=0)
    for path, words in {
        tmp_path / "none.png": "no such file",
        tmp_path: "a folder, not a file",
        secret: "permission denied" if os.geteuid() else "an empty file",
        f"{tmp_path}/\0.png": "embedded null byte",
        f"{tmp_path}/{'a' * 300}": "file name too long",
        f"{secret}/x.png": "not a directory",
        "": "no such file",
    }.items():
        with pytest.raises(MediaError, match=words):
            open_image(path)


def test_a_name_with_line_breaks_stays_on_one_line(tmp_path: Path) -> None:
    for name in ("a\nruxi: all is well\x1b[31m.png", "a\u2028b.png", os.fsdecode(b"\xff.png")):
        (tmp_path / name).write_bytes(b"text")
        with pytest.raises(MediaError, match="a text file") as caught:
            open_image(tmp_path / name)
        assert str(caught.value).isprintable()
        str(caught.value).encode()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_device_never_blocks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def refuse(path: Path) -> None:
        with pytest.raises(MediaError, match="a device or pipe, not a file"):
            open_image(path)

    for path in (tmp_path / "pipe", Path("/dev/zero")):
        thread = threading.Thread(target=refuse, args=(path,), daemon=True)
        thread.start()
        thread.join(timeout=5)
        assert not thread.is_alive()


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.wav"
    with path.open("wb") as file:
        file.truncate(10 * 1024**3)  # sparse: takes no room, and reading it would take minutes
    with pytest.raises(
        MediaError, match=r"the file has 10,737,418,240 bytes, the limit is 268,435,456\. Give a smaller"
    ):
        open_audio(path)


def test_large_bytes_and_data_urls_are_refused() -> None:
    limits = Limits(bytes=1_000)
    encoded = base64.b64encode(bytes(2_000)).decode()
    for source in (bytes(2_000), f"data:;base64,{encoded}", f"data:,{'a' * 2_000}", f"data:,{'%00' * 1_001}"):
        with pytest.raises(MediaError, match="the limit is 1,000"):
            open_image(source, limits=limits)


@pytest.mark.parametrize("url", ["data:image/png;base64", "data:;base64,!!!!", "data:;base64,abc", "data:;base64,é"])
def test_broken_data_urls_are_refused(url: str) -> None:
    with pytest.raises(MediaError, match=r"^data URL: .+"):
        open_image(url)


def test_a_server_can_forbid_paths(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(sample("rgb.png"))
    limits = Limits(allow_files=False)
    for source in (path, str(path), "/etc/passwd", "a.png", "~/a.png", "C:\\a.png"):
        with pytest.raises(MediaError, match="files of this machine are not opened here"):
            open_medium(source, limits=limits)
    assert open_image(path.read_bytes(), limits=limits).size == (40, 24)


@given(
    st.one_of(st.binary(max_size=300), st.text(max_size=100), st.text(max_size=100).map(lambda text: f"data:{text}"))
)
def test_any_source_ends_in_bytes_or_an_error_of_one_line(source: bytes | str) -> None:
    message = ""
    try:
        read_source(source, Limits(allow_urls=False))
    except RuxiError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 500
