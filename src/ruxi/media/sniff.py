"""What a file is, told by its first bytes; names and endings are never believed.

Only the formats listed here reach a decoder, each by its own name, so that a playlist or script in disguise finds no
decoder that would follow it to other files.
"""

from __future__ import annotations

from dataclasses import dataclass

from ruxi.errors import MediaError
from ruxi.media.types import Kind


@dataclass(frozen=True)
class Format:
    """A format that can be opened.

    Attributes:
        name: What messages call it.
        kinds: What such a file may hold.
        ending: File ending with its dot.
        decoder: Name of the Pillow plug-in, or of the FFmpeg demuxer.
    """

    name: str
    kinds: tuple[Kind, ...]
    ending: str
    decoder: str


PNG = Format("PNG", ("image",), ".png", "PNG")
JPEG = Format("JPEG", ("image",), ".jpg", "JPEG")
GIF = Format("GIF", ("image",), ".gif", "GIF")
WEBP = Format("WebP", ("image",), ".webp", "WEBP")
BMP = Format("BMP", ("image",), ".bmp", "BMP")
TIFF = Format("TIFF", ("image",), ".tiff", "TIFF")
WAV = Format("WAV", ("audio",), ".wav", "wav")
FLAC = Format("FLAC", ("audio",), ".flac", "flac")
MP3 = Format("MP3", ("audio",), ".mp3", "mp3")
AAC = Format("AAC", ("audio",), ".aac", "aac")
AIFF = Format("AIFF", ("audio",), ".aiff", "aiff")
OPUS = Format("Opus", ("audio",), ".opus", "ogg")
OGG = Format("Ogg", ("audio", "video"), ".ogg", "ogg")
M4A = Format("M4A", ("audio", "video"), ".m4a", "mov")
MP4 = Format("MP4", ("video", "audio"), ".mp4", "mov")
WEBM = Format("WebM", ("video", "audio"), ".webm", "matroska")
MKV = Format("Matroska", ("video", "audio"), ".mkv", "matroska")

_STARTS: tuple[tuple[bytes, Format], ...] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),
    (b"MM\0+", TIFF),
    (b"fLaC", FLAC),
)

# Two letters would not tell a bitmap from a text.
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)

_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\x01\0", "a Windows icon"),
    (b"MThd", "a MIDI file"),
    (b"FLV\x01", "an FLV video"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file"),
    (b"\0\0\x01\xba", "an MPEG programme stream"),
    (b"\x7fELF", "a program"),
    (b"#EXTM3U", "a playlist"),
    (b"ffconcat", "a playlist"),
)

_MOST_ID3_TAGS = 8
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_OPENABLE = {
    "image": "Give a PNG, JPEG, WebP, GIF, BMP or TIFF picture.",
    "audio": "Give a WAV, FLAC, MP3, OGG, Opus, M4A or WebM sound.",
    "video": "Give an MP4, WebM or MKV video.",
    None: "Give a PNG, JPEG, WebP, GIF, BMP or TIFF picture, a WAV, FLAC, MP3, OGG, Opus, M4A or WebM sound, "
    "or an MP4, WebM or MKV video.",
}


def sniff(data: bytes) -> Format | None:
    """The format of some bytes, or None when it is none that can be opened."""
    data = _without_id3(data)
    for start, format_ in _STARTS:
        if data.startswith(start):
            return format_
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return BMP
    if data[:4] in (b"RIFF", b"RF64"):
        return {b"WAVE": WAV, b"WEBP": WEBP}.get(data[8:12])
    if data[:4] == b"FORM":
        return AIFF if data[8:12] in (b"AIFF", b"AIFC") else None
    if data[:4] == b"OggS":
        return OPUS if b"OpusHead" in data[:64] else OGG
    if data[4:8] == b"ftyp":
        return _of_brand(data[8:12])
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return WEBM if b"webm" in data[:64] else MKV
    return _of_mpeg_audio_frame(data)


def describe(data: bytes) -> str:
    """A few words for a user about bytes of any kind, such as `"a text file"`."""
    if not data:
        return "an empty file"
    format_ = sniff(data)
    if format_ is not None:
        article = "an" if format_.name[0] in "AEIO" or format_.name[:2] in ("M4", "MP") else "a"
        kind = {"image": "picture", "audio": "sound", "video": "video"}[format_.kinds[0]]
        return f"{article} {format_.name} {kind}"
    for start, words in _REFUSED:
        if data.startswith(start):
            return words
    if data[4:8] == b"ftyp":
        return "an AVIF picture" if data[8:12] in (b"avif", b"avis") else "a HEIC picture"
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "an AVI video"
    return _describe_text(data) or f"{len(data):,} bytes of no known format"


def require(data: bytes, kind: Kind | None, where: str) -> Format:
    """The format of some bytes, which must be able to hold this kind of medium.

    Args:
        data: The whole file.
        kind: The kind that is wanted; None takes any.
        where: The file's name for messages.

    Raises:
        MediaError: The bytes are empty, of no known format, or hold something else.
    """
    format_ = sniff(data)
    if format_ is None or (kind is not None and kind not in format_.kinds):
        wanted = {"image": "a picture", "audio": "a sound", "video": "a video", None: "a picture, sound or video"}
        raise MediaError(f"{describe(data)}, not {wanted[kind]}", where=where, remedy=_OPENABLE[kind])
    return format_


def _without_id3(data: bytes) -> bytes:
    """The first bytes after ID3 tags (https://id3.org/id3v2.4.0-structure), which may precede MP3, AAC and FLAC."""
    start = 0
    for _ in range(_MOST_ID3_TAGS):
        tag = data[start : start + 10]
        if tag[:3] != b"ID3" or len(tag) < 10:
            break
        size = 0
        for byte in tag[6:]:
            size = size << 7 | byte & 0x7F
        start += 10 + size + (10 if tag[5] & 0x10 else 0)
    head = data[start : start + 64]
    return head.lstrip(b"\0") if start else head


def _of_brand(brand: bytes) -> Format | None:
    if brand in _HEIF_BRANDS or brand in (b"avif", b"avis"):
        return None
    return M4A if brand in (b"M4A ", b"M4B ") else MP4


def _of_mpeg_audio_frame(data: bytes) -> Format | None:
    """The header of an MPEG audio frame: eleven set bits, then version, layer, bit rate and sample rate."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    if layer == 0:
        return AAC if data[1] & 0xF6 == 0xF0 else None
    bit_rate, sample_rate = data[2] >> 4, data[2] >> 2 & 3
    return MP3 if version != 1 and bit_rate not in (0, 15) and sample_rate != 3 else None


def _describe_text(data: bytes) -> str | None:
    head = data[:512].decode("utf-8", errors="ignore")
    if not head or len(head.encode()) < len(data[:512]) - 3 or any(ord(c) < 32 and c not in "\t\n\r\f" for c in head):
        return None
    lower = head.lstrip("\ufeff \t\r\n").lower()
    if lower.startswith(("<!doctype html", "<html")):
        return "a web page"
    return "an SVG drawing" if "<svg" in lower else "a text file"
