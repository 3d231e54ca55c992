from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruxi.errors import MediaError
from ruxi.files import sha256_of_bytes
from ruxi.media import Limits, open_image
from tests.media.samples import BLUE, GREEN, IMAGES, RED, corners, sample, saved

WHITE = (255, 255, 255)


def quarters(data: bytes) -> list[tuple[int, ...]]:
    """The colours in the middle of the quarters, row by row."""
    pixels = open_image(data).pixels
    height, width = pixels.shape[:2]
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [tuple(int(value) for value in pixels[place]) for place in places]


def close(found: list[tuple[int, ...]], wanted: list[tuple[int, ...]], within: int) -> bool:
    return np.abs(np.array(found) - np.array(wanted)).max() <= within


@pytest.mark.parametrize(
    ("format_", "options", "within"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("GIF", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 8),
        ("JPEG", {"quality": 95}, 8),
        ("JPEG", {"quality": 95, "progressive": True}, 8),
    ],
)
def test_every_format_gives_the_same_colours(format_: str, options: dict, within: int) -> None:
    assert close(quarters(saved(corners(), format_, **options)), [RED, GREEN, BLUE, WHITE], within)


@pytest.mark.parametrize("name", IMAGES)
def test_every_sample_opens(name: str) -> None:
    image = open_image(sample(name), start=2.5)
    assert image.pixels.dtype == np.uint8
    assert image.pixels.shape[2] == 3
    assert sorted(image.size) == [24, 40]
    assert (image.kind, image.start, image.end) == ("image", 2.5, 2.5)
    assert image.sha256 == sha256_of_bytes(sample(name))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "wanted"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
        (9, [RED, GREEN, BLUE, WHITE]),
    ],
)
def test_exif_orientation_turns_the_picture(format_: str, orientation: int, wanted: list) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    data = saved(corners(), format_, exif=exif, **({"quality": 95} if format_ in ("JPEG", "WEBP") else {}))
    assert open_image(data).size == ((24, 40) if 5 <= orientation <= 8 else (40, 24))
    assert close(quarters(data), wanted, 10)


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF"])
def test_transparency_lies_on_white(format_: str) -> None:
    image = corners().convert("RGBA")
    image.putalpha(PIL.Image.fromarray(np.repeat(np.repeat(np.array([[255, 0], [128, 255]], np.uint8), 12, 0), 20, 1)))
    data = saved(image, format_, **({"lossless": True, "exact": True} if format_ == "WEBP" else {}))
    half = tuple((colour + 255) // 2 for colour in BLUE)
    assert close(quarters(data), [RED, WHITE, half, WHITE], 1)


def test_a_transparent_palette_entry_lies_on_white() -> None:
    palette = corners().quantize(4)
    index = palette.getpixel((0, 0))
    for format_ in ("PNG", "GIF"):
        assert quarters(saved(palette, format_, transparency=index)) == [WHITE, GREEN, BLUE, WHITE]
    grey = PIL.Image.new("L", (8, 8), 7)
    assert quarters(saved(grey, "PNG", transparency=7)) == [WHITE] * 4
    assert quarters(saved(PIL.Image.new("LA", (8, 8), (0, 0)), "PNG")) == [WHITE] * 4


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_16_bits_keep_their_upper_byte(format_: str) -> None:
    levels = np.array([[0, 257], [32_896, 65_535]], np.uint16).repeat(8, 0).repeat(8, 1)
    grey = [tuple([value] * 3) for value in (0, 1, 128, 255)]
    assert quarters(saved(PIL.Image.fromarray(levels), format_)) == grey


def test_48_bit_colour_keeps_its_upper_byte() -> None:
    row = b"\0" + struct.pack(">3H", 0x1234, 0x8000, 0xFFFF) * 4
    assert quarters(png(4, 4, depth=16, colour=2, rows=row * 4)) == [(0x12, 0x80, 0xFF)] * 4


@pytest.mark.parametrize(
    ("levels", "wanted"),
    [([0.0, 0.5, 1.0, 0.25], [0, 127, 255, 63]), ([-10.0, 0.0, 10.0, float("nan")], [0, 127, 255, None])],
)
def test_float_levels_are_spread_over_8_bits(levels: list[float], wanted: list[int | None]) -> None:
    data = saved(PIL.Image.fromarray(np.array(levels, np.float32).reshape(2, 2).repeat(8, 0).repeat(8, 1)), "TIFF")
    found = [colour[0] for colour in quarters(data)]
    assert all(want is None or abs(value - want) <= 1 for value, want in zip(found, wanted, strict=True))


def test_cmyk_colours_are_not_inverted() -> None:
    # Pillow marks its CMYK pictures as Adobe does; ink counts down from white.
    assert close(quarters(saved(corners().convert("CMYK"), "JPEG", quality=95)), [RED, GREEN, BLUE, WHITE], 12)
    assert close(quarters(saved(corners().convert("CMYK"), "TIFF")), [RED, GREEN, BLUE, WHITE], 1)


def test_the_first_frame_of_an_animation_is_taken() -> None:
    second = PIL.Image.new("RGB", (40, 24), "black")
    for format_ in ("GIF", "PNG"):
        data = saved(corners(), format_, save_all=True, append_images=[second])
        assert quarters(data) == [RED, GREEN, BLUE, WHITE]


def test_pictures_larger_than_a_strip_are_whole() -> None:
    width, height = 1_000, 4_500
    image = PIL.Image.linear_gradient("L").resize((width, height)).convert("RGBA")
    image.putalpha(PIL.Image.linear_gradient("L").resize((width, height)).rotate(180))
    white = PIL.Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    assert np.array_equal(open_image(saved(image, "PNG", compress_level=1)).pixels, np.asarray(white))


@given(st.data())
def test_lossless_pictures_survive_exactly(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    size = width * height * 3
    raw = data.draw(st.binary(min_size=size, max_size=size))
    image = PIL.Image.frombytes("RGB", (width, height), raw)
    format_ = data.draw(st.sampled_from(["PNG", "BMP", "TIFF"]))
    assert open_image(saved(image, format_)).pixels.tobytes() == raw


# What must be refused before anything is decoded.


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, rows: bytes = b"", extra: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def patched(name: str, place: int, value: bytes) -> bytes:
    data = bytearray(sample(name))
    data[place : place + len(value)] = value
    return bytes(data)


def jpeg_of(width: int, height: int) -> bytes:
    data = sample("progressive.jpg")
    place = data.index(b"\xff\xc2")
    return data[: place + 5] + struct.pack(">HH", height, width) + data[place + 9 :]


def tiff_of(width: int, height: int) -> bytes:
    data = bytearray(sample("plain.tiff"))
    offset = struct.unpack_from("<I", data, 4)[0]
    for index in range(struct.unpack_from("<H", data, offset)[0]):
        entry = offset + 2 + 12 * index
        tag = struct.unpack_from("<H", data, entry)[0]
        if tag in (256, 257):
            struct.pack_into("<HHII", data, entry, tag, 4, 1, width if tag == 256 else height)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        png(60_000, 60_000),
        jpeg_of(60_000, 60_000),
        tiff_of(60_000, 60_000),
        patched("rgb.bmp", 18, struct.pack("<ii", 60_000, -60_000)),
        patched("still.gif", 6, struct.pack("<HH", 60_000, 60_000)),
        patched("animated.webp", 24, (59_999).to_bytes(3, "little") * 2),
    ],
    ids=["png", "jpeg", "tiff", "bmp", "gif", "webp"],
)
def test_a_huge_header_is_refused_before_decoding(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(data)
    monkeypatch.setattr(PIL.Image, "open", lambda *_, **__: pytest.fail("the decoder was asked"))
    with pytest.raises(MediaError) as caught:
        open_image(path)
    assert str(caught.value) == (
        f"{path}: the picture (60000 x 60000) has 3,600,000,000 pixels, the limit is 60,000,000. "
        "Give a smaller one, or raise the limit `pixels`."
    )


def test_a_gif_frame_that_reaches_over_the_edge_counts() -> None:
    data = bytearray(sample("still.gif"))
    place = data.index(b"\x2c", 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0))
    struct.pack_into("<HH", data, place + 5, 60_000, 60_000)
    with pytest.raises(MediaError, match="60000 x 60000"):
        open_image(bytes(data))


def test_limits_can_be_raised_and_lowered() -> None:
    side = 7_800
    data = saved(PIL.Image.new("1", (side, side)), "PNG")
    assert open_image(data, limits=Limits(pixels=61_000_000)).size == (side, side)
    with pytest.raises(MediaError, match="182,520,000 decoded bytes, the limit is 180,000,000"):
        open_image(data, limits=Limits(pixels=61_000_000, decoded_bytes=180_000_000))
    with pytest.raises(MediaError, match="960 pixels, the limit is 959"):
        open_image(sample("rgb.png"), limits=Limits(pixels=959))


def test_a_narrow_endless_picture_is_refused() -> None:
    with pytest.raises(MediaError, match="its longest side has 50,000,000 pixels"):
        open_image(png(1, 50_000_000))


def test_animations_with_many_frames_are_refused() -> None:
    frames = [PIL.Image.new("L", (2, 2), index % 2 * 255) for index in range(60)]
    limits = Limits(animation_frames=50)
    for format_ in ("GIF", "WEBP", "PNG"):
        data = saved(frames[0], format_, save_all=True, append_images=frames[1:])
        with pytest.raises(MediaError, match="the animation has 60 frames, the limit is 50"):
            open_image(data, limits=limits)


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_compression_bomb_in_metadata_never_unpacks(name: bytes) -> None:
    packed = zlib.compress(bytes(50_000_000), 9)
    head = b"a\0" + (b"\1\0\0\0" if name == b"iTXt" else b"\0")
    rows = (b"\0" + bytes(3)) * 1
    with pytest.raises(MediaError, match="damaged PNG picture"):
        open_image(png(1, 1, rows=rows, extra=chunk(name, head + packed)))


def test_a_compression_bomb_in_the_pixels_stops_at_the_picture() -> None:
    assert open_image(png(1, 1, rows=bytes(50_000_000))).size == (1, 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (png(1, 1, extra=chunk(b"tEXt", b"") * 260_000), "more than 250,000 chunks"),
        (b"\xff\xd8" + b"\xff\xe0\0\2" * 30_000, "more than 20,000 segments"),
        (jpeg_of(40, 24)[:-2] + b"\xff\xda" * 101, "more than 100 scans"),
        (sample("still.gif")[:-2] + b"\1\0" * 3_000_000, "more than 2,000,000 blocks"),
        (b"II*\0\x08\0\0\0\xff\xff" + bytes(100), "65,535 fields"),
        (png(0, 5), "its size is 0 x 5"),
        (b"GIF89a" + bytes(7) + b";", "no frame"),
        (b"\xff\xd8\xff\xd9", "no frame header"),
        (b"RIFF\0\0\0\0WEBPALPH" + bytes(30), "no picture chunk"),
        (b"\x89PNG\r\n\x1a\n", "first chunk is not IHDR"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "ends within the header"),
        (sample("rgb.png")[:60], "damaged PNG picture"),
        (sample("baseline.jpg")[:700], "truncated"),
    ],
)
def test_damaged_pictures_say_what_is_wrong(data: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=words) as caught:
        open_image(data)
    assert "Save or download it again." in str(caught.value)


def test_pillow_is_never_asked_to_guess_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that starts as PNG goes to the PNG plug-in alone, whatever else it could be read as."""
    asked: list[object] = []
    opening = PIL.Image.open
    monkeypatch.setattr(
        PIL.Image, "open", lambda file, formats: asked.append((type(file), formats)) or opening(file, formats=formats)
    )
    open_image(sample("rgb.png"))
    assert asked == [(io.BytesIO, ["PNG"])]


@pytest.mark.real_data
def test_real_pictures_open(real_data: Path) -> None:
    photographs = sorted((real_data / "flickr8k" / "images").glob("*.jpg"))[:20]
    drawings = sorted((real_data / "wesnoth" / "images").rglob("*.webp"))[:20]
    cards = sorted((real_data / "cards").glob("*.png"))
    assert photographs
    assert drawings
    assert cards
    for path in [*photographs, *drawings, *cards]:
        image = open_image(path)
        with PIL.Image.open(path) as reference:
            assert image.size == reference.size
            if reference.mode == "RGB":
                assert np.array_equal(image.pixels, np.asarray(reference))
