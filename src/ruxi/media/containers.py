"""Opening sounds and videos with FFmpeg (PyAV), from bytes in memory only.

FFmpeg knows hundreds of formats, some of which open further files or addresses. Here it gets one demuxer, chosen by
content, a short list of decoders, and no protocol at all.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ruxi.errors import MediaError
from ruxi.media.limits import Limits, check
from ruxi.media.mp4 import check_tables
from ruxi.media.sniff import AAC, MP3, Format
from ruxi.media.sources import Original

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.codec.context import CodecContext
    from av.container import InputContainer
    from av.video.stream import VideoStream

# fmt: off
_AUDIO_DECODERS = frozenset({
    "aac", "adpcm_ima_wav", "adpcm_ms", "alac", "flac", "libopus", "libspeex", "libvorbis", "mp1", "mp1float", "mp2",
    "mp2float", "mp3", "mp3float", "opus", "pcm_alaw", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_mulaw",
    "pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le", "pcm_s8", "pcm_u8", "speex", "vorbis",
})
_VIDEO_DECODERS = frozenset({
    "av1", "h263", "h264", "hevc", "libdav1d", "libvpx", "libvpx-vp9", "mjpeg", "mpeg4", "theora", "vp8", "vp9",
})
# fmt: on
_DAMAGED = "Save or download it again."
_MOST_STREAMS = 32
_MOST_CHANNELS = 64
_MOST_BLOCK_SAMPLES = 1_000_000
_MOST_PROBED_PIXELS = 80_000_000
"""FFmpeg decodes a frame to learn its size; with less, it could not tell how large a refused one is."""
_RATES = (1_000, 768_000)


@dataclass(frozen=True)
class Contents:
    """What a sound or video holds.

    Attributes:
        sound: Whether it has a sound track.
        picture: Whether it has moving pictures.
        start: Time stamp of its first moment, in seconds; often but not always 0.
        seconds: Its duration.
        aspect: Width of a pixel in its pictures divided by its height.
    """

    sound: bool
    picture: bool
    start: float
    seconds: float
    aspect: float = 1.0


class Deadline:
    """Ends decoding that takes too long."""

    def __init__(self, limits: Limits, where: str) -> None:
        self._seconds = limits.decode_seconds
        self._end = time.monotonic() + self._seconds
        self._where = where

    def check(self) -> None:
        """Raise `MediaError` when the time is over."""
        if time.monotonic() > self._end:
            raise MediaError(
                f"not decoded within {self._seconds:g} seconds",
                where=self._where,
                remedy="Give a smaller one, or raise the limit `decode_seconds`.",
            )


@contextmanager
def opened(original: Original, format_: Format) -> Iterator[InputContainer]:
    """Open a sound or video; whatever FFmpeg says of it inside the block becomes a `MediaError`.

    Args:
        original: The bytes.
        format_: Their format.

    Yields:
        The container, with its streams known.
    """
    import av

    where = original.source
    if format_.decoder == "mov":
        check_tables(original.data, where)
    options = {
        "protocol_whitelist": "none",
        "format_whitelist": format_.decoder,
        "max_streams": str(_MOST_STREAMS),
    } | decoder_options(_MOST_PROBED_PIXELS)
    try:
        with av.open(
            io.BytesIO(original.data), format=format_.decoder, options=options, metadata_errors="replace"
        ) as container:
            yield container
    # A damaged size makes FFmpeg ask for absurd memory, so its MemoryError comes first and counts as damage.
    # Time stamps beyond 64 bits end in an OverflowError of PyAV.
    except (av.FFmpegError, OverflowError) as error:
        absurd = isinstance(error, MemoryError | OverflowError)
        reason = "a number in it is absurdly large" if absurd else getattr(error, "strerror", "") or "unknown error"
        raise MediaError(f"a damaged {format_.name} file ({reason.lower()})", where=where, remedy=_DAMAGED) from None
    except MemoryError:
        raise MediaError("not enough memory to decode it", where=where, remedy="Give a smaller one.") from None


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The first sound track, or None."""
    return container.streams.audio[0] if container.streams.audio else None


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first track of moving pictures, or None; a cover picture is none."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def measure(original: Original, format_: Format, limits: Limits) -> Contents:
    """Look into a sound or video without decoding it.

    The header is asked for the duration first. Bare MPEG audio has none (FFmpeg would guess from the bit rate), and
    recordings made by browsers leave it out: then the packets are counted.

    Raises:
        MediaError: It is damaged, or larger than a limit.
    """
    where = original.source
    with opened(original, format_) as container:
        sound, picture = sound_stream(container), picture_stream(container)
        if sound is not None:
            _check_decoder(sound.codec_context, _AUDIO_DECODERS, "sound", where)
            check_sound(sound.codec_context.sample_rate, sound.codec_context.channels, where)
        if picture is not None:
            _check_picture(picture, limits, where)
        start = (container.start_time or 0) / 1_000_000
        if container.duration and container.duration > 0 and format_ not in (MP3, AAC):
            seconds = container.duration / 1_000_000
        else:
            streams = [stream for stream in (sound, picture) if stream is not None]
            seconds = _counted_seconds(container, streams, start, limits, where) if streams else 0.0
        aspect = float((picture and picture.sample_aspect_ratio) or 1.0)
    check("seconds", seconds, limits.seconds, what="the recording", unit="seconds", where=where)
    # Other ratios come from damaged headers.
    return Contents(sound is not None, picture is not None, start, seconds, aspect if 0.1 < aspect < 10 else 1.0)


def decoder_options(pixels: int, threads: int = 1) -> dict[str, str]:
    """What every decoder is told: the largest frame and block of samples for which it may reserve memory."""
    return {
        "codec_whitelist": ",".join(sorted(_AUDIO_DECODERS | _VIDEO_DECODERS)),
        "max_pixels": str(pixels),
        "max_samples": str(_MOST_BLOCK_SAMPLES),
        "threads": str(threads),
    }


def check_sound(rate: int, channels: int, where: str) -> None:
    """Refuse what no recording has; a resampler's tables would grow with it.

    Raises:
        MediaError: The sample rate or the number of channels is out of range.
    """
    if not _RATES[0] <= rate <= _RATES[1]:
        raise MediaError(
            f"{rate:,} samples a second, outside {_RATES[0]:,} to {_RATES[1]:,} Hz",
            where=where,
            remedy="Save it again at 16,000 Hz.",
        )
    if not 0 < channels <= _MOST_CHANNELS:
        raise MediaError(
            f"{channels} channels, the limit is {_MOST_CHANNELS}", where=where, remedy="Mix it down to one."
        )


def _check_picture(stream: VideoStream, limits: Limits, where: str) -> None:
    context = stream.codec_context
    _check_decoder(context, _VIDEO_DECODERS, "picture", where)
    if not context.width or not context.height:
        raise MediaError("the size of its frames cannot be read", where=where, remedy=_DAMAGED)
    what = f"its frame ({context.width} x {context.height})"
    check("frame_pixels", context.width * context.height, limits.frame_pixels, what=what, unit="pixels", where=where)


def _check_decoder(context: CodecContext | None, decoders: frozenset[str], track: str, where: str) -> None:
    # A stream of a codec that FFmpeg does not know has no context.
    name = context.name if context is not None else "unknown"
    if name not in decoders:
        raise MediaError(
            f"its {track} is coded as {name!r}, which is not supported",
            where=where,
            remedy="Convert it to H.264 and AAC, VP9 and Opus, or FLAC.",
        )


def _counted_seconds(
    container: InputContainer, streams: list[AudioStream | VideoStream], start: float, limits: Limits, where: str
) -> float:
    deadline = Deadline(limits, where)
    end = start
    for packet in container.demux(streams):
        deadline.check()
        if packet.pts is not None and packet.time_base is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return end - start
