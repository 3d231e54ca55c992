from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruxi.errors import MediaError, UsageError
from ruxi.files import sha256_of_bytes
from ruxi.media import Image, Limits, Video, open_audio, open_medium, open_video
from tests.media.samples import BLUE, COLOURS, GREEN, RED, VIDEOS, encoded_video, sample


def colour(frame: Image) -> tuple[int, int, int]:
    """The pure colour that the middle of a frame is nearest to."""
    pixel = frame.pixels[frame.size[1] // 2, frame.size[0] // 2].astype(int)
    return min(COLOURS, key=lambda known: np.abs(pixel - known).sum())


@pytest.mark.parametrize("name", [name for name in VIDEOS if name != "fragmented.mp4"])
def test_every_format_gives_a_frame_a_second_and_its_sound(name: str) -> None:
    video = open_video(sample(name), start=20.0)
    assert video.kind == "video"
    assert video.duration == pytest.approx(3.0, abs=0.05)
    assert [colour(frame) for frame in video.frames] == [RED, GREEN, BLUE]
    assert np.abs(video.frames[0].pixels[24, 32].astype(int) - RED).max() < 12
    assert [(frame.start, frame.end) for frame in video.frames] == [(20, 21), (21, 22), (22, pytest.approx(video.end))]
    assert (video.start, video.end) == (20.0, 20.0 + video.duration)
    assert video.sha256 == sha256_of_bytes(sample(name))
    if name == "mpeg4.mp4":
        assert video.audio is None
    else:
        assert (video.audio.start, video.audio.end) == (20.0, pytest.approx(23.0, abs=0.05))
        assert video.audio.sha256 == video.sha256
        assert np.array_equal(video.audio.samples, open_audio(sample(name)).samples)


def test_a_fragmented_recording_opens_too() -> None:
    video = open_video(sample("fragmented.mp4"), times=[0.5, 1.7, 2.7])
    assert [colour(frame) for frame in video.frames] == [RED, GREEN, BLUE]


def test_frames_have_their_own_digest() -> None:
    first, second = open_video(sample("h264.mp4")), open_video(sample("h264.mp4"))
    assert len({frame.sha256 for frame in first.frames} | {first.sha256}) == 4
    assert [frame.sha256 for frame in first.frames] == [frame.sha256 for frame in second.frames]


@settings(deadline=None, max_examples=25)
@given(
    times=st.lists(st.floats(0, 2.999), min_size=1, max_size=6),
    name=st.sampled_from(["h264.mp4", "vp9.webm", "mpeg4.mkv"]),
)
def test_a_frame_is_the_one_on_the_screen_at_its_time(times: list[float], name: str) -> None:
    video = open_video(sample(name), times=times)
    assert [frame.start for frame in video.frames] == sorted(times)
    for frame in video.frames:
        # Next to a change the container's rounded clock decides.
        if abs(frame.start - round(frame.start)) > 0.002:
            assert colour(frame) == COLOURS[int(frame.start)]


def numbered(container: str, codec: str, key_frame_every: int, options: dict[str, str]) -> bytes:
    """Twelve seconds of 25 frames, each showing its number in ten black or white bars."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25, options={"g": str(key_frame_every), **options})
        stream.width, stream.height, stream.pix_fmt = 160, 32, "yuv420p"
        for index in range(300):
            bars = [255 * (index >> bit & 1) for bit in range(10)]
            pixels = np.repeat(np.tile(np.array(bars, np.uint8), (32, 1)), 16, axis=1)
            frame = av.VideoFrame.from_ndarray(np.stack([pixels] * 3, axis=2), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("container", "codec", "key_frame_every", "options"),
    [
        ("mp4", "libx264", 25, {}),
        ("mp4", "libx264", 300, {}),
        ("matroska", "libx264", 40, {"x264-params": "open-gop=1"}),
        ("matroska", "mpeg4", 12, {}),
        ("webm", "libvpx-vp9", 25, {}),
    ],
)
@pytest.mark.parametrize(
    "times", [[0.01, 11.97], [3.33, 3.35, 7.02, 11.0], [index * 0.25 + 0.005 for index in range(45)]]
)
def test_jumping_to_key_frames_gives_the_very_same_frames(
    container: str, codec: str, key_frame_every: int, options: dict[str, str], times: list[float]
) -> None:
    frames = open_video(numbered(container, codec, key_frame_every, options), times=times).frames
    shown = [sum(int(frame.pixels[16, bit * 16 + 8, 0] > 127) << bit for bit in range(10)) for frame in frames]
    assert shown == [int(time * 25 + 0.05) for time in times]


@pytest.mark.parametrize(("rate", "count"), [(0.1, 1), (0.5, 2), (1.0, 3), (2.0, 6), (10.0, 30), (25.0, 75)])
def test_frames_per_second(rate: float, count: int) -> None:
    video = open_video(sample("h264.mkv"), frames_per_second=rate)
    assert len(video.frames) == count
    assert [colour(frame) for frame in video.frames] == [COLOURS[int(frame.start + 1e-6)] for frame in video.frames]
    assert all(one.end == two.start for one, two in zip(video.frames, video.frames[1:], strict=False))
    assert video.frames[-1].end == video.end


def test_a_sound_track_that_sets_in_late_begins_with_silence() -> None:
    video = open_video(encoded_video("matroska", "mpeg4", "flac", sound_from=1.5), start=10.0)
    samples = video.audio.samples
    assert video.audio.start == 10.0
    assert np.abs(samples[: 16_000 * 14 // 10]).max() < 1e-3
    assert np.abs(samples[16_000 * 16 // 10 :]).max() > 0.4


def test_large_frames_are_scaled_and_small_ones_are_not() -> None:
    data = encoded_video("mp4", "libx264", seconds=1.0, size=(1280, 720))
    assert open_video(data).frames[0].size == (640, 360)
    assert open_video(data, longest_side=100).frames[0].size == (100, 56)
    assert open_video(data, longest_side=5_000).frames[0].size == (1280, 720)


def turned(data: bytes, quarter_turns: int) -> bytes:
    """Write a rotation into the track header of an MP4, as a phone does that is held sideways."""
    cosine, sine = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarter_turns % 4]
    matrix = [value << 16 for value in (cosine, sine, 0, -sine, cosine, 0, 0, 0)] + [1 << 30]
    place = data.index(b"tkhd") + 4 + 4 + 20 + 16
    return data[:place] + struct.pack(">9i", *matrix) + data[place + 36 :]


@pytest.mark.parametrize(("turns", "corner"), [(0, (0, 0)), (1, (0, -1)), (2, (-1, -1)), (3, (-1, 0))])
def test_phones_held_sideways_are_turned_upright(turns: int, corner: tuple[int, int]) -> None:
    """The white square of the top left goes to the corner where a clockwise turn puts it."""
    frame = open_video(turned(sample("mpeg4.mp4"), turns), times=[0]).frames[0]
    assert frame.size == ((64, 48) if turns % 2 == 0 else (48, 64))
    corners = [(y, x) for y in (0, -1) for x in (0, -1)]
    brightest = max(corners, key=lambda place: int(frame.pixels[place].min()))
    assert brightest == corner


def test_pixels_that_are_not_square_are_stretched() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for index in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    assert open_video(buffer.getvalue()).frames[0].size == (128, 48)


def test_a_recording_of_a_browser_has_no_duration_and_opens() -> None:
    data = without_duration(sample("vp9.webm"))
    with av.open(io.BytesIO(data)) as container:
        assert container.duration is None
    video = open_video(data)
    assert video.duration == pytest.approx(3.0, abs=0.12)
    assert [colour(frame) for frame in video.frames] == [RED, GREEN, BLUE]
    with pytest.raises(MediaError, match="seconds, the limit is 2"):
        open_video(data, limits=Limits(seconds=2.0))


def without_duration(data: bytes) -> bytes:
    """Turn the Duration element of a WebM into a Void element of the same size."""
    place = data.index(b"\x44\x89")
    size = data[place + 2] & 0x7F
    return data[:place] + bytes([0xEC, 0x80 | size + 1]) + bytes(size + 1) + data[place + 3 + size :]


def test_open_medium_tells_by_content() -> None:
    kinds = {"rgb.png": "image", "lame.mp3": "audio", "aac.m4a": "audio", "opus.webm": "audio", "h264.mp4": "video"}
    assert {name: open_medium(sample(name)).kind for name in kinds} == kinds
    assert open_medium(sample("h264.mp4"), "audio").kind == "audio"
    video = open_medium(sample("h264.mp4"), "video", start=4.0, frames_per_second=2.0)
    assert isinstance(video, Video)
    assert (video.start, len(video.frames)) == (4.0, 6)


def test_a_huge_frame_is_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.webm"
    path.write_bytes(encoded_video("matroska", "mpeg4", seconds=0.1, size=(4_000, 3_000)))
    monkeypatch.setattr("ruxi.media.video._pixels", lambda *_: pytest.fail("the decoder was asked"))
    with pytest.raises(MediaError) as caught:
        open_video(path)
    assert str(caught.value) == (
        f"{path}: its frame (4000 x 3000) has 12,000,000 pixels, the limit is 10,000,000. "
        "Give a smaller one, or raise the limit `frame_pixels`."
    )


def test_decoders_that_are_not_on_the_list_are_not_used() -> None:
    words = r"its picture is coded as 'ffv1', which is not supported\. Convert it to H\.264"
    with pytest.raises(MediaError, match=words):
        open_video(encoded_video("matroska", "ffv1"))


def test_frames_that_grow_on_the_way_are_held_to_the_limit_too() -> None:
    """The container says 64 x 48; from the second second on the coded pictures are 640 x 480."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm") as output:
        stream = None
        for offset, size in ((0, (64, 48)), (1_000, (640, 480))):
            with av.open(io.BytesIO(encoded_video("webm", "libvpx-vp9", seconds=1.0, size=size))) as part:
                stream = stream or output.add_stream_from_template(part.streams.video[0])
                for packet in part.demux(video=0):
                    if packet.dts is not None:
                        packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, stream
                        output.mux(packet)
    data = buffer.getvalue()
    assert [frame.size for frame in open_video(data).frames] == [(64, 48), (640, 480)]
    limits = Limits(frame_pixels=100_000)
    try:
        sizes = {frame.size for frame in open_video(data, limits=limits).frames}
    except MediaError:
        sizes = set()
    assert sizes <= {(64, 48)}


@pytest.mark.parametrize(
    ("arguments", "limits", "words"),
    [
        ({}, {"seconds": 2.0}, "the recording has 3.* seconds, the limit is 2"),
        ({"frames_per_second": 1_000.0}, {}, r"3,\d+ frames to take, the limit is 600\. Take fewer"),
        ({"times": [0.1] * 601}, {}, "601 frames to take, the limit is 600"),
        ({}, {"decoded_bytes": 10_000}, "bytes, the limit is 10,000"),
        ({}, {"decode_seconds": 1e-6}, "not decoded within 1e-06 seconds"),
        ({}, {"frame_pixels": 1_000}, "has 3,072 pixels, the limit is 1,000"),
    ],
)
def test_limits(arguments: dict, limits: dict, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        open_video(sample("h264.mp4"), limits=Limits(**limits), **arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"times": [1.0, 99.0]}, r"times: 99 s lies outside the video\. Give times between 0 and 3\.000 seconds"),
        ({"times": [-1.0]}, "-1 s lies outside"),
        ({"times": [float("nan")]}, "nan s lies outside"),
        ({"times": []}, "no time is given"),
        ({"times": np.array([4.0])}, "4 s lies outside"),
        ({"frames_per_second": 0.0}, "frames_per_second: 0.0 frames a second"),
        ({"frames_per_second": float("inf")}, "inf frames a second"),
        ({"longest_side": 0}, "longest_side: 0 pixels"),
    ],
)
def test_arguments_that_cannot_work(arguments: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_video(sample("h264.mp4"), **arguments)


@pytest.mark.parametrize("name", ["h264.mp4", "vp9.webm", "mpeg4.mkv"])
def test_a_video_that_is_cut_off_gives_what_is_there_or_an_error(name: str) -> None:
    data = sample(name)
    for share in (0.02, 0.3, 0.6, 0.9):
        try:
            video = open_video(data[: int(len(data) * share)])
        except MediaError:
            continue
        assert video.frames
