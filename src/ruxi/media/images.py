"""Pictures: checked by their header, decoded by Pillow, turned upright, laid on white, 8 bits a colour.

The first frame of an animated picture is taken. Colour profiles are not applied: encoders were trained without them.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ruxi.errors import MediaError
from ruxi.media.addresses import DEFAULT_NETWORK, Network
from ruxi.media.headers import read_header
from ruxi.media.limits import DEFAULT_LIMITS, Limits, check
from ruxi.media.sniff import Format, require
from ruxi.media.sources import Original, Source, read_source
from ruxi.media.types import Image

if TYPE_CHECKING:
    import PIL.Image

_STRIP_PIXELS = 4_000_000
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def open_image(
    source: Source, *, start: float = 0.0, limits: Limits = DEFAULT_LIMITS, network: Network = DEFAULT_NETWORK
) -> Image:
    """Open a picture: PNG, JPEG, WebP, GIF, BMP or TIFF.

    Args:
        source: Path, bytes, data URL or https URL.
        start: Where it appears on the dialogue's time axis, in seconds.
        limits: What is refused.
        network: How names are resolved and certificates checked.

    Returns:
        The picture as red, green and blue, uint8 `[height, width, 3]`.

    Raises:
        MediaError: It is no picture, damaged, or larger than a limit.
    """
    return decode_image(read_source(source, limits, network), start=start, limits=limits)


def decode_image(original: Original, *, start: float = 0.0, limits: Limits = DEFAULT_LIMITS) -> Image:
    """Turn the bytes of a picture into pixels; see `open_image`."""
    where = original.source
    format_ = require(original.data, "image", where)
    header = read_header(original.data, format_, where)
    _check_size(header.width, header.height, limits, where)
    check("animation_frames", header.frames, limits.animation_frames, what="the animation", unit="frames", where=where)
    pixels = _pixels(original.data, format_, limits, where)
    return Image(pixels=pixels, sha256=original.sha256, start=start, end=start, source=where)


def _check_size(width: int, height: int, limits: Limits, where: str) -> None:
    what = f"the picture ({width} x {height})"
    check("pixels", width * height, limits.pixels, what=what, unit="pixels", where=where)
    check("side", max(width, height), limits.side, what="its longest side", unit="pixels", where=where)
    check("decoded_bytes", width * height * 3, limits.decoded_bytes, what=what, unit="decoded bytes", where=where)


def _pixels(data: bytes, format_: Format, limits: Limits, where: str) -> npt.NDArray[np.uint8]:
    import PIL.Image

    try:
        image: PIL.Image.Image = PIL.Image.open(io.BytesIO(data), formats=[format_.decoder])
        _check_size(*image.size, limits, where)
        image.load()
        _check_size(*image.size, limits, where)
        _turn_upright(image)
        return _rgb(image)
    except MediaError:
        raise
    except MemoryError:
        raise MediaError("not enough memory to decode it", where=where, remedy="Give a smaller picture.") from None
    # Pillow's plug-ins let out whatever their parsing of a damaged file runs into, from struct.error to IndexError.
    except Exception as error:
        raise MediaError(
            f"a damaged {format_.name} picture ({_reason(error)})", where=where, remedy="Save or download it again."
        ) from None


def _turn_upright(image: PIL.Image.Image) -> None:
    """Apply the EXIF orientation; damaged metadata leaves the picture as it lies."""
    import PIL.ImageOps

    try:
        PIL.ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # Pillow raises whatever its metadata parsers stumble on, struct.error and SyntaxError among it.
        return


def _rgb(image: PIL.Image.Image) -> npt.NDArray[np.uint8]:
    """Convert strip by strip, so that a large picture is in memory twice and not four times."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    lowest, highest = _range(image)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        if image.mode in _DEEP_MODES:
            levels = (np.asarray(strip, np.float32) - lowest) * (255.0 / (highest - lowest))
            pixels[top : top + rows] = np.nan_to_num(levels).clip(0, 255).astype(np.uint8)[..., np.newaxis]
        else:
            pixels[top : top + rows] = np.asarray(_on_white(strip))
    return pixels


def _on_white(image: PIL.Image.Image) -> PIL.Image.Image:
    import PIL.Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    transparent = image.convert("RGBA")
    white = PIL.Image.new("RGB", image.size, "white")
    white.paste(transparent, mask=transparent.getchannel("A"))
    return white


def _range(image: PIL.Image.Image) -> tuple[float, float]:
    """The grey levels that become black and white: fixed for 16 bits, the picture's own for 32 bits and floats."""
    if image.mode.startswith("I;16"):
        return 0.0, 65_535.0
    if image.mode not in _DEEP_MODES:
        return 0.0, 255.0
    extrema = np.nan_to_num(np.array(image.getextrema(), np.float64).ravel(), posinf=0.0, neginf=0.0)
    lowest, highest = min(0.0, float(extrema[0])), float(extrema[1])
    if image.mode == "F" and lowest == 0.0 and highest <= 1.0:
        return 0.0, 1.0
    return lowest, max(highest, lowest + 1.0)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else f"{text[:117]}..."
