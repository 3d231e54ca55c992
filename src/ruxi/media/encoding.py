"""Media as bytes that others can read: what is sent to a server or written into an export."""

from __future__ import annotations

import base64
import io
import wave

import numpy as np
import numpy.typing as npt


def as_jpeg(pixels: npt.NDArray[np.uint8], *, side: int) -> bytes:
    """A picture as JPEG, without whatever its file told about place and camera.

    Args:
        pixels: Red, green and blue, `[height, width, 3]`.
        side: Longest side in pixels; larger pictures are scaled down.
    """
    import PIL.Image

    picture = PIL.Image.fromarray(pixels)
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def as_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A picture `[height, width, 3]` as PNG."""
    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def as_wav(samples: npt.NDArray[np.float32], rate: int) -> bytes:
    """A sound with one channel as WAV with 16 bits a sample.

    Args:
        samples: Amplitudes, full scale at -1 and 1, `[n]`.
        rate: Samples a second, in Hz.
    """
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def data_url(data: bytes, media_type: str) -> str:
    """Bytes as an address (RFC 2397)."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
