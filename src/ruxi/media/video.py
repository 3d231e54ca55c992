"""Videos: frames at chosen times and the sound track, each at its place on the time axis.

A frame stands for the stretch from its own time to the next frame's. Frames are scaled while they are converted, since
no encoder looks at more than a few hundred pixels and ten minutes in full size would fill the memory.
"""

from __future__ import annotations

import math
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ruxi.errors import MediaError, UsageError
from ruxi.files import sha256_of_bytes
from ruxi.media.addresses import DEFAULT_NETWORK, Network
from ruxi.media.audio import decode_sound
from ruxi.media.containers import Contents, Deadline, decoder_options, measure, opened, picture_stream
from ruxi.media.limits import DEFAULT_LIMITS, Limits, check
from ruxi.media.sniff import Format, require
from ruxi.media.sources import Original, Source, read_source
from ruxi.media.types import Image, Video

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

_MOST_THREADS = 4
"""Each decoder thread holds frames of its own."""
_WORTH_A_JUMP = 0.5
"""A key frame this many seconds ahead is worth leaving out the frames before it."""
_INDEX_SLACK = 0.3
"""An index counts in decoding order, which runs ahead of the screen by a few frames."""


def open_video(
    source: Source,
    *,
    times: Sequence[float] | None = None,
    frames_per_second: float = 1.0,
    longest_side: int = 640,
    start: float = 0.0,
    limits: Limits = DEFAULT_LIMITS,
    network: Network = DEFAULT_NETWORK,
) -> Video:
    """Open a video: MP4, WebM or MKV.

    Args:
        source: Path, bytes, data URL or https URL.
        times: When to take frames, in seconds from the video's own start; None takes them evenly.
        frames_per_second: How many frames to take where `times` is None, the first at 0.
        longest_side: Larger frames are scaled down to this many pixels.
        start: Where the video begins on the dialogue's time axis, in seconds.
        limits: What is refused.
        network: How names are resolved and certificates checked.

    Raises:
        MediaError: It holds no moving pictures, is damaged, or is larger than a limit.
        UsageError: `times`, `frames_per_second` or `longest_side` cannot work.
    """
    original = read_source(source, limits, network)
    return decode_video(
        original,
        times=times,
        frames_per_second=frames_per_second,
        longest_side=longest_side,
        start=start,
        limits=limits,
    )


def decode_video(
    original: Original,
    *,
    times: Sequence[float] | None = None,
    frames_per_second: float = 1.0,
    longest_side: int = 640,
    start: float = 0.0,
    limits: Limits = DEFAULT_LIMITS,
) -> Video:
    """Decode the bytes of a video; see `open_video`."""
    if longest_side < 1:
        raise UsageError(f"{longest_side} pixels", where="longest_side", remedy="Give a number of at least 1.")
    where = original.source
    format_ = require(original.data, "video", where)
    contents = measure(original, format_, limits)
    if not contents.picture:
        raise MediaError("a sound without moving pictures", where=where, remedy="Open it as a sound.")
    moments = _moments(times, frames_per_second, contents.seconds, limits, where)
    pixels = _pixels(original, format_, contents, moments, longest_side, limits)
    end = start + contents.seconds
    starts = [start + moment for moment in moments]
    frames = tuple(
        Image(pixels=picture, sha256=sha256_of_bytes(picture.tobytes()), start=begin, end=until, source=where)
        for picture, begin, until in zip(pixels, starts, [*starts[1:], max(end, starts[-1])], strict=True)
    )
    audio = None
    if contents.sound:
        audio = decode_sound(original, format_, contents, start=start, limits=limits)
    return Video(frames, audio, original.sha256, start, end, contents.seconds, where)


def _moments(
    times: Sequence[float] | None, frames_per_second: float, seconds: float, limits: Limits, where: str
) -> list[float]:
    if times is None:
        if not 0 < frames_per_second < math.inf:
            raise UsageError(
                f"{frames_per_second} frames a second", where="frames_per_second", remedy="Give a number above 0."
            )
        # A rest shorter than half a step belongs to the last frame: sound often outlasts the pictures by a little.
        count = max(1, math.floor(seconds * frames_per_second + 0.5))
    else:
        count = len(times)
    if count > limits.frames:
        raise MediaError(
            f"{count:,} frames to take, the limit is {limits.frames:,}",
            where=where,
            remedy="Take fewer frames a second, or raise the limit `frames`.",
        )
    if times is None:
        return [index / frames_per_second for index in range(count)]
    wrong = [time for time in times if not 0 <= time <= seconds]
    if wrong or not count:
        raise UsageError(
            f"{wrong[0]:g} s lies outside the video" if wrong else "no time is given",
            where="times",
            remedy=f"Give times between 0 and {seconds:.3f} seconds.",
        )
    return sorted(float(time) for time in times)


def _pixels(
    original: Original,
    format_: Format,
    contents: Contents,
    moments: list[float],
    longest_side: int,
    limits: Limits,
) -> list[npt.NDArray[np.uint8]]:
    pictures: list[npt.NDArray[np.uint8]] = []
    with opened(original, format_) as container:
        last: VideoFrame | None = None
        for frame in _shown_at(moments, container, contents.start, limits, original.source):
            width, height = _scaled(frame, contents.aspect, longest_side)
            total = width * height * 3 * len(moments)
            check("decoded_bytes", total, limits.decoded_bytes, what="its frames", unit="bytes", where=original.source)
            pictures.append(pictures[-1] if frame is last else _upright(frame, width, height))
            last = frame
    if not pictures:
        raise MediaError(
            f"a {format_.name} video without a single frame", where=original.source, remedy="Record or save it again."
        )
    return pictures


def _shown_at(
    moments: list[float], container: InputContainer, start: float, limits: Limits, where: str
) -> Iterator[VideoFrame]:
    """The frame that is on the screen at each moment: the last one that began before it."""
    stream = picture_stream(container)
    if stream is None:
        return
    keys = _key_times(container, stream, start)
    left = list(reversed(moments))
    shown: VideoFrame | None = None
    reached = 0.0
    for frame in _frames(container, stream, limits, where):
        time = frame.time - start if frame.time is not None else 0.0
        # Time stamps are rounded to the container's clock, often a thousandth of a second.
        while shown is not None and left and time > left[-1] + 0.0015:
            yield shown
            left.pop()
        if not left:
            return
        shown = frame
        key = bisect_right(keys, left[-1] - _INDEX_SLACK)
        # Each jump leads further than the last one, whatever a wrong index says.
        if key and keys[key - 1] > max(time, reached) + _WORTH_A_JUMP:
            reached = keys[key - 1]
            _jump(container, stream, reached + start)
    if shown is not None:
        yield from (shown for _ in left)


def _key_times(container: InputContainer, stream: VideoStream, start: float) -> list[float]:
    """When frames come that need no other frame, in seconds; empty where the container has no index."""
    import av

    try:
        # Matroska keeps its index at the end and reads it at the first jump.
        _jump(container, stream, start + 1)
        _jump(container, stream, start)
    except av.FFmpegError:
        return []
    tick = float(stream.time_base or 0)
    return sorted(entry.timestamp * tick - start for entry in stream.index_entries if entry.is_keyframe)


def _jump(container: InputContainer, stream: VideoStream, time: float) -> None:
    if stream.time_base:
        container.seek(int(time / stream.time_base), stream=stream)


def _frames(container: InputContainer, stream: VideoStream, limits: Limits, where: str) -> Iterator[VideoFrame]:
    """Decoded frames in order of time. Damaged packets are left out, as every player does."""
    import av

    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    stream.codec_context.options = decoder_options(limits.frame_pixels, threads)
    deadline = Deadline(limits, where)
    for packet in container.demux(stream):
        deadline.check()
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue


def _scaled(frame: VideoFrame, aspect: float, longest_side: int) -> tuple[int, int]:
    """Width and height with square pixels that fit the longest side; never enlarged."""
    width = frame.width * aspect
    scale = min(1.0, longest_side / max(width, frame.height))
    return max(1, round(width * scale)), max(1, round(frame.height * scale))


def _upright(frame: VideoFrame, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Red, green and blue, turned as the camera was held."""
    pixels = frame.to_ndarray(format="rgb24", width=width, height=height)
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, quarter_turns), dtype=np.uint8)
