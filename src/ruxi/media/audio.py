"""Sounds: any rate and channel count to 16 kHz mono float, decoded by FFmpeg through PyAV.

Channels are averaged, so that full scale stays full scale. Packets are counted before they are decoded and samples
while they are, so a wrong duration in a header changes nothing. Gaps in the time stamps become silence: what is heard
stays on the time axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ruxi.errors import MediaError
from ruxi.media.addresses import DEFAULT_NETWORK, Network
from ruxi.media.containers import Contents, Deadline, check_sound, decoder_options, measure, opened
from ruxi.media.limits import DEFAULT_LIMITS, Limits, check
from ruxi.media.sniff import Format, require
from ruxi.media.sources import Original, Source, read_source
from ruxi.media.types import SAMPLE_RATE, Audio

if TYPE_CHECKING:
    from av import AudioFrame
    from av.container import InputContainer

_MOST_PLANES = 8
_LARGEST_GAP = 0.1
"""Jumps of the time stamps above this many seconds are silence; smaller ones are rounding."""


def open_audio(
    source: Source, *, start: float = 0.0, limits: Limits = DEFAULT_LIMITS, network: Network = DEFAULT_NETWORK
) -> Audio:
    """Open a sound: WAV, FLAC, MP3, OGG, Opus, M4A, AAC, AIFF, WebM, or the sound track of a video.

    Args:
        source: Path, bytes, data URL or https URL.
        start: Where it begins on the dialogue's time axis, in seconds.
        limits: What is refused.
        network: How names are resolved and certificates checked.

    Returns:
        The sound at 16 kHz with one channel, float32 `[n]`.

    Raises:
        MediaError: It holds no sound, is damaged, or is larger than a limit.
    """
    return decode_audio(read_source(source, limits, network), start=start, limits=limits)


def decode_audio(original: Original, *, start: float = 0.0, limits: Limits = DEFAULT_LIMITS) -> Audio:
    """Decode the bytes of a sound; see `open_audio`."""
    format_ = require(original.data, "audio", original.source)
    contents = measure(original, format_, limits)
    if not contents.sound:
        raise MediaError("a video without sound", where=original.source, remedy="Open it as a video.")
    return decode_sound(original, format_, contents, start=start, limits=limits)


def decode_sound(original: Original, format_: Format, contents: Contents, *, start: float, limits: Limits) -> Audio:
    """Decode the first sound track of a container that was measured.

    Args:
        original: The bytes.
        format_: Their format.
        contents: What `measure` found.
        start: Where the container begins on the dialogue's time axis, in seconds. A track that sets in later than
            its pictures begins with silence.
        limits: What is refused.
    """
    where = original.source
    size = contents.seconds * SAMPLE_RATE * 4
    check("decoded_bytes", size, limits.decoded_bytes, what="the sound", unit="decoded bytes", where=where)
    pieces: list[npt.NDArray[np.float32]] = []
    count = 0
    with opened(original, format_) as container:
        frames = _frames(container, limits, where)
        for piece in _resampled(_on_time_axis(frames, contents.start, limits, where)):
            count += piece.shape[0]
            check("seconds", count / SAMPLE_RATE, limits.seconds, what="the sound", unit="seconds", where=where)
            pieces.append(piece)
    if not count:
        raise MediaError(
            f"a {format_.name} file without a single sample", where=where, remedy="Record or save it again."
        )
    return Audio(np.concatenate(pieces), original.sha256, start, start + count / SAMPLE_RATE, where)


def _frames(container: InputContainer, limits: Limits, where: str) -> Iterator[AudioFrame]:
    """Decoded frames. Damaged packets are left out, as every player does, unless they are many."""
    import av

    stream = container.streams.audio[0]
    stream.codec_context.options = decoder_options(limits.frame_pixels)
    deadline = Deadline(limits, where)
    packets = damaged = 0
    for packet in container.demux(stream):
        deadline.check()
        packets += 1
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            damaged += 1
    if damaged > packets // 10 + 1:
        raise MediaError(
            f"a damaged sound ({damaged} of its {packets} packets)", where=where, remedy="Save or download it again."
        )


def _on_time_axis(
    frames: Iterable[AudioFrame], start: float, limits: Limits, where: str
) -> Iterator[tuple[npt.NDArray[np.float32], int]]:
    """Pieces of the sound with one channel at its own rate, and that rate; gaps in time come as zeros."""
    end = start
    for frame in frames:
        rate = frame.sample_rate
        check_sound(rate, frame.layout.nb_channels, where)
        gap = frame.time - end if frame.time is not None else 0.0
        if gap > _LARGEST_GAP:
            check("seconds", gap, limits.seconds, what="a pause", unit="seconds", where=where)
            lengths = [rate] * int(gap) + [round(gap % 1 * rate)]
            yield from ((np.zeros(length, np.float32), rate) for length in lengths if length)
            end += gap
        if frame.samples:
            yield _mean(frame), rate
            end += frame.samples / rate


def _resampled(pieces: Iterable[tuple[npt.NDArray[np.float32], int]]) -> Iterator[npt.NDArray[np.float32]]:
    """Bring pieces to 16 kHz. A rate that changes on the way gets a resampler of its own."""
    from av import AudioFrame, AudioResampler

    for rate, run in groupby(pieces, key=itemgetter(1)):
        resampler = AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
        for samples, _ in run:
            frame = AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
            frame.sample_rate = rate
            yield from (piece.to_ndarray()[0] for piece in resampler.resample(frame))
        yield from (piece.to_ndarray()[0] for piece in resampler.resample(None))


def _mean(frame: AudioFrame) -> npt.NDArray[np.float32]:
    """Average the channels of a frame; full scale lies at -1 and 1."""
    if frame.format.is_planar and frame.layout.nb_channels > _MOST_PLANES:
        frame = _packed(frame)
    values: npt.NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(frame.samples, -1).T
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    mean = values.mean(axis=0, dtype=np.float64)
    if values.dtype == np.uint8:
        mean = mean / 128 - 1
    elif values.dtype.kind == "i":
        mean /= -float(np.iinfo(values.dtype).min)
    return np.asarray(mean.clip(-1, 1), np.float32)


def _packed(frame: AudioFrame) -> AudioFrame:
    """The same samples in one plane: PyAV walks past the end of a longer list of planes."""
    from av import AudioResampler

    return AudioResampler(format="flt").resample(frame)[0]
