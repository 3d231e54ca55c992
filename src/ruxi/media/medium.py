"""Opening a medium of a kind that is not known beforehand."""

from __future__ import annotations

from ruxi.media.addresses import DEFAULT_NETWORK, Network
from ruxi.media.audio import decode_audio
from ruxi.media.containers import measure
from ruxi.media.images import decode_image
from ruxi.media.limits import DEFAULT_LIMITS, Limits
from ruxi.media.sniff import require
from ruxi.media.sources import Original, Source, read_source
from ruxi.media.types import Kind, Medium
from ruxi.media.video import decode_video


def open_medium(
    source: Source,
    kind: Kind | None = None,
    *,
    start: float = 0.0,
    frames_per_second: float = 1.0,
    limits: Limits = DEFAULT_LIMITS,
    network: Network = DEFAULT_NETWORK,
) -> Medium:
    """Open a picture, sound or video; its content tells which, never its name.

    Args:
        source: Path, bytes, data URL or https URL.
        kind: What it must be; None takes what it is. `"audio"` of a video is its sound track.
        start: Where it begins on the dialogue's time axis, in seconds.
        frames_per_second: How many frames to take from a video.
        limits: What is refused.
        network: How names are resolved and certificates checked.

    Raises:
        MediaError: It is of no known format or not of this kind, damaged, or larger than a limit.
    """
    original = read_source(source, limits, network)
    kind = kind or _kind(original, limits)
    if kind == "image":
        return decode_image(original, start=start, limits=limits)
    if kind == "audio":
        return decode_audio(original, start=start, limits=limits)
    return decode_video(original, frames_per_second=frames_per_second, start=start, limits=limits)


def _kind(original: Original, limits: Limits) -> Kind:
    format_ = require(original.data, None, original.source)
    if len(format_.kinds) == 1:
        return format_.kinds[0]
    return "video" if measure(original, format_, limits).picture else "audio"
