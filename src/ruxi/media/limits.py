"""How large a medium may be, and where it may come from.

The defaults suit one person's machine: a phone's photograph, ten minutes of speech or film. A server that opens what
strangers send sets `allow_files=False`, so that a string from a request can never name a file of the machine.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ruxi.errors import MediaError


class Limits(BaseModel):
    """What is refused, before anything is decoded wherever the file's header tells."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    bytes: int = Field(256 * 1024**2, gt=0)
    """Largest file or download, in bytes."""
    pixels: int = Field(60_000_000, gt=0, le=178_000_000)
    """Most pixels of a picture, width times height; the decoder takes 178 million at most."""
    side: int = Field(32_768, gt=0)
    """Longest side of a picture, in pixels."""
    animation_frames: int = Field(2_000, gt=0)
    """Most frames of an animated picture, of which the first one is used."""
    frame_pixels: int = Field(10_000_000, gt=0)
    """Most pixels of a video's frame as it is stored, width times height; 4K is 8.3 million."""
    frames: int = Field(600, gt=0)
    """Most frames that are taken from one video."""
    seconds: float = Field(600.0, gt=0, allow_inf_nan=False)
    """Longest sound or video, in seconds."""
    decoded_bytes: int = Field(512 * 1024**2, gt=0)
    """Most memory for the pixels and samples of one medium, in bytes."""
    decode_seconds: float = Field(300.0, gt=0, allow_inf_nan=False)
    """Longest time that decoding one sound or video may take, in seconds."""
    download_seconds: float = Field(30.0, gt=0, allow_inf_nan=False)
    """Longest time that a download may take with all its redirects, in seconds."""
    redirects: int = Field(5, ge=0)
    """Most redirects of one download."""
    allow_files: bool = True
    """Whether a path may be opened."""
    allow_urls: bool = True
    """Whether a URL may be fetched."""
    allow_http: bool = False
    """Whether a URL may go without encryption (`http:`)."""
    allow_private_hosts: bool = False
    """Whether any URL may lead to this machine or into its private network."""
    private_hosts: tuple[str, ...] = ()
    """Names of hosts that may have a private address, for example a picture server at home."""


DEFAULT_LIMITS = Limits()


def check(limit: str, found: float, allowed: float, *, what: str, unit: str, where: str) -> None:
    """Refuse what is larger than its limit.

    Args:
        limit: Name of the field of `Limits`, for the remedy.
        found: The size at hand.
        allowed: The largest size.
        what: What has this size, for example `"the sound"`.
        unit: Unit of both sizes.
        where: The file at fault.

    Raises:
        MediaError: `found` is above `allowed`.
    """
    if found > allowed:
        raise MediaError(
            f"{what} has {_number(found)} {unit}, the limit is {_number(allowed)}",
            where=where,
            remedy=f"Give a smaller one, or raise the limit `{limit}`.",
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"
