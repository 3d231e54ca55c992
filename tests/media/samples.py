"""Small real files of every format, encoded here: what the tests of the door open, mutate and serve."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial

import av
import numpy as np
import numpy.typing as npt
import PIL.Image
import soundfile

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)
COLOURS = (RED, GREEN, BLUE)


def corners(width: int = 40, height: int = 24) -> PIL.Image.Image:
    """A picture whose four quarters differ: red, green / blue, white."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    return PIL.Image.fromarray(pixels)


def saved(image: PIL.Image.Image, format_: str, **options: object) -> bytes:
    """A picture as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def tone(seconds: float = 0.5, rate: int = 16_000, hertz: float = 440.0) -> npt.NDArray[np.float32]:
    """A sine of half of full scale, float32 `[n]`."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def written(samples: npt.NDArray[np.float32], rate: int, format_: str, subtype: str | None = None) -> bytes:
    """A sound `[n]` or `[n, channels]` as the bytes of a file, by libsndfile."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=format_, subtype=subtype)
    return buffer.getvalue()


def encoded_sound(container: str, codec: str, *, seconds: float = 0.5, rate: int = 48_000) -> bytes:
    """A tone in stereo as the bytes of a file, by FFmpeg."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="stereo")
        _encode_tone(output, stream, seconds, rate, 0.0)
    return buffer.getvalue()


def encoded_video(
    container: str,
    codec: str,
    sound: str | None = None,
    *,
    seconds: float = 3.0,
    rate: int = 10,
    size: tuple[int, int] = (64, 48),
    sound_from: float = 0.0,
    options: dict[str, str] | None = None,
) -> bytes:
    """A video that shows one of `COLOURS` a second, with a white square at its top left, as the bytes of a file."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options or {}) as output:
        pictures = output.add_stream(codec, rate=rate)
        pictures.width, pictures.height, pictures.pix_fmt = *size, "yuv420p"
        tones = output.add_stream(sound, rate=48_000, layout="stereo") if sound else None
        for index in range(round(seconds * rate)):
            pixels = np.empty((size[1], size[0], 3), np.uint8)
            pixels[:] = COLOURS[index // rate % 3]
            pixels[: size[1] // 4, : size[0] // 4] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            output.mux(pictures.encode(frame))
        output.mux(pictures.encode(None))
        if tones is not None:
            _encode_tone(output, tones, seconds - sound_from, 48_000, sound_from)
    return buffer.getvalue()


def _encode_tone(output, stream, seconds: float, rate: int, start: float) -> None:
    context = stream.codec_context
    if not context.is_open:
        context.open()  # the encoder names its frame size only then
    resampler = av.AudioResampler(context.format, "stereo", rate, context.frame_size or 1024)
    samples = np.stack([tone(seconds, rate)] * 2)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), round(start * rate)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        output.mux(stream.encode(piece))
    output.mux(stream.encode(None))


def _exif() -> bytes:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    return exif.tobytes()


_NOISE = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8))
_DEPTH16 = PIL.Image.fromarray(np.arange(24 * 40, dtype=np.uint16).reshape(24, 40) * 60)

IMAGES: dict[str, Callable[[], bytes]] = {
    "rgb.png": lambda: saved(corners(), "PNG"),
    "alpha.png": lambda: saved(corners().convert("RGBA"), "PNG"),
    "palette.png": lambda: saved(corners().quantize(8), "PNG", transparency=0),
    "grey16.png": lambda: saved(_DEPTH16, "PNG"),
    "animated.png": lambda: saved(corners(), "PNG", save_all=True, append_images=[_NOISE] * 2),
    "baseline.jpg": lambda: saved(_NOISE, "JPEG", exif=_exif()),
    "progressive.jpg": lambda: saved(corners(), "JPEG", progressive=True),
    "cmyk.jpg": lambda: saved(corners().convert("CMYK"), "JPEG"),
    "lossy.webp": lambda: saved(_NOISE, "WEBP", exif=_exif()),
    "lossless.webp": lambda: saved(corners().convert("RGBA"), "WEBP", lossless=True),
    "animated.webp": lambda: saved(corners(), "WEBP", save_all=True, append_images=[_NOISE] * 2),
    "still.gif": lambda: saved(corners(), "GIF"),
    "animated.gif": lambda: saved(corners(), "GIF", save_all=True, append_images=[_NOISE] * 3),
    "rgb.bmp": lambda: saved(corners(), "BMP"),
    "palette.bmp": lambda: saved(corners().quantize(16), "BMP"),
    "plain.tiff": lambda: saved(corners(), "TIFF"),
    "lzw.tiff": lambda: saved(_NOISE, "TIFF", compression="tiff_lzw"),
    "deflate.tiff": lambda: saved(corners().convert("RGBA"), "TIFF", compression="tiff_adobe_deflate"),
    "jpeg.tiff": lambda: saved(_NOISE, "TIFF", compression="jpeg"),
    "fax.tiff": lambda: saved(corners().convert("1"), "TIFF", compression="group4"),
    "grey16.tiff": lambda: saved(_DEPTH16, "TIFF"),
}

SOUNDS: dict[str, Callable[[], bytes]] = {
    "16.wav": lambda: written(tone(), 16_000, "WAV"),
    "24.wav": lambda: written(np.stack([tone(rate=44_100)] * 6, axis=1), 44_100, "WAV", "PCM_24"),
    "float.wav": lambda: written(tone(rate=8_000), 8_000, "WAV", "FLOAT"),
    "adpcm.wav": lambda: written(tone(), 16_000, "WAV", "MS_ADPCM"),
    "16.flac": lambda: written(tone(rate=48_000), 48_000, "FLAC"),
    "vorbis.ogg": lambda: written(tone(rate=44_100), 44_100, "OGG", "VORBIS"),
    "flac.ogg": partial(encoded_sound, "ogg", "flac"),
    "lame.mp3": partial(encoded_sound, "mp3", "libmp3lame", rate=44_100),
    "speech.opus": partial(encoded_sound, "ogg", "libopus"),
    "aac.m4a": partial(encoded_sound, "ipod", "aac"),
    "alac.m4a": partial(encoded_sound, "ipod", "alac"),
    "raw.aac": partial(encoded_sound, "adts", "aac"),
    "16.aiff": partial(encoded_sound, "aiff", "pcm_s16be"),
    "opus.webm": partial(encoded_sound, "webm", "libopus"),
}

VIDEOS: dict[str, Callable[[], bytes]] = {
    "h264.mp4": partial(encoded_video, "mp4", "libx264", "aac"),
    "fragmented.mp4": partial(encoded_video, "mp4", "libx264", "aac", options={"movflags": "frag_keyframe+empty_moov"}),
    "mpeg4.mp4": partial(encoded_video, "mp4", "mpeg4"),
    "vp9.webm": partial(encoded_video, "webm", "libvpx-vp9", "libopus"),
    "mpeg4.mkv": partial(encoded_video, "matroska", "mpeg4", "libmp3lame"),
    "h264.mkv": partial(encoded_video, "matroska", "libx264", "flac"),
}


@cache
def sample(name: str) -> bytes:
    """The bytes of one of the files above."""
    return ({**IMAGES, **SOUNDS, **VIDEOS})[name]()
