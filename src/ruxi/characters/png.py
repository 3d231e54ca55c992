"""PNG as a container of cards: chunks in, chunks out, the picture itself is never decoded.

Cards live in text chunks called `chara` (V2 and V1) and `ccv3` (V3), as base64 of UTF-8 JSON. Plain (`tEXt`),
compressed (`zTXt`) and international (`iTXt`) chunks are read; `tEXt` is written, which every program reads.
Lengths and checksums are checked before anything is used, and a compressed chunk is unpacked only up to
`MAX_TEXT_BYTES`.

Format: PNG Specification, Third Edition (W3C, 2025), sections 5 and 11.3.3.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ruxi.characters.faults import CardFaults, Finding

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT_BYTES = 32 * 2**20
MAX_CHUNKS = 65_536
CARD_KEYWORDS = ("chara", "ccv3")


@dataclass(frozen=True)
class Chunk:
    """One chunk of a PNG file: its four-letter kind and its data."""

    kind: bytes
    data: bytes

    def __bytes__(self) -> bytes:
        checksum = zlib.crc32(self.kind + self.data)
        return struct.pack(">I", len(self.data)) + self.kind + self.data + struct.pack(">I", checksum)

    @property
    def keyword(self) -> str | None:
        """Lower-case keyword of a text chunk; None for any other chunk."""
        if self.kind not in (b"tEXt", b"zTXt", b"iTXt"):
            return None
        return self.data.partition(b"\0")[0].decode("latin-1").lower()


def read_chunks(data: bytes) -> list[Chunk]:
    """Take a PNG file apart, up to and including its `IEND`; what follows is not part of the picture.

    Raises:
        CardFaults: Not a PNG, cut short, or a chunk's checksum does not match.
    """
    if not data.startswith(SIGNATURE):
        raise CardFaults([Finding("", "not a PNG file", "Give a PNG file.")])
    chunks: list[Chunk] = []
    for chunk in _walk(data):
        chunks.append(chunk)
        if len(chunks) == 1 and (chunk.kind != b"IHDR" or len(chunk.data) != 13):
            raise _damaged("the first chunk is not a picture header")
        if len(chunks) > MAX_CHUNKS:
            raise _damaged(f"it has more than {MAX_CHUNKS} chunks")
    return chunks


def _walk(data: bytes) -> Iterator[Chunk]:
    offset = len(SIGNATURE)
    while True:
        if offset + 12 > len(data):
            raise _damaged(f"it ends at byte {len(data)} without its IEND chunk")
        length, kind = struct.unpack_from(">I4s", data, offset)
        end = offset + 12 + length
        if end > len(data):
            raise _damaged(f"chunk {kind!r} at byte {offset} claims {length} bytes, more than the file has")
        body = data[offset + 8 : end - 4]
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if checksum != zlib.crc32(body, zlib.crc32(kind)):
            raise _damaged(f"the checksum of chunk {kind!r} at byte {offset} does not match")
        yield Chunk(kind, body)
        if kind == b"IEND":
            return
        offset = end


def _damaged(problem: str) -> CardFaults:
    return CardFaults([Finding("", f"a damaged PNG: {problem}", "Download or export the card again.")])


def card_texts(chunks: list[Chunk]) -> dict[str, bytes]:
    """The card JSON of each card chunk, by keyword; of several with one keyword the first counts.

    Raises:
        CardFaults: A card chunk cannot be unpacked.
    """
    texts: dict[str, bytes] = {}
    for chunk in chunks:
        keyword = chunk.keyword
        if keyword in CARD_KEYWORDS and keyword not in texts:
            try:
                texts[keyword] = _base64(_text(chunk))
            except ValueError as error:
                raise CardFaults(
                    [
                        Finding(
                            f"chunk '{keyword}'",
                            str(error),
                            "Export the card again from the program that made it.",
                        )
                    ]
                ) from error
    return texts


def _text(chunk: Chunk) -> bytes:
    _, _, rest = chunk.data.partition(b"\0")
    if chunk.kind == b"tEXt":
        return rest
    if chunk.kind == b"zTXt":
        return _inflate(rest[1:])
    # iTXt: compression flag, compression method, language, translated keyword, text.
    fields = rest[2:].split(b"\0", 2)
    if len(fields) != 3:
        raise ValueError("an iTXt chunk without its five fields")
    return _inflate(fields[2]) if rest[:1] == b"\1" else fields[2]


def _inflate(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, MAX_TEXT_BYTES)
    except zlib.error as error:
        raise ValueError(f"cannot be decompressed ({error})") from error
    if unpacker.unconsumed_tail:
        raise ValueError(f"unpacks to more than {MAX_TEXT_BYTES // 2**20} MiB")
    if not unpacker.eof:
        raise ValueError("its compressed text is cut short")
    return text


def _base64(text: bytes) -> bytes:
    if len(text) > MAX_TEXT_BYTES:
        raise ValueError(f"is longer than {MAX_TEXT_BYTES // 2**20} MiB")
    compact = b"".join(text.split()).rstrip(b"=")
    try:
        return base64.b64decode(compact + b"=" * (-len(compact) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"is not base64 ({error})") from error


def without_cards(chunks: list[Chunk]) -> bytes:
    """The picture alone: every chunk but those that hold a card."""
    return SIGNATURE + b"".join(bytes(chunk) for chunk in chunks if chunk.keyword not in CARD_KEYWORDS)


def with_cards(picture: bytes, texts: Mapping[str, bytes]) -> bytes:
    """Put card JSON into a picture, before its end, in place of any that it held.

    Args:
        picture: A PNG file.
        texts: The JSON for each keyword, `chara` or `ccv3`.

    Raises:
        CardFaults: The picture is not a sound PNG.
    """
    chunks = [chunk for chunk in read_chunks(picture) if chunk.keyword not in CARD_KEYWORDS]
    cards = [
        Chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + base64.b64encode(text)) for keyword, text in texts.items()
    ]
    return SIGNATURE + b"".join(bytes(chunk) for chunk in [*chunks[:-1], *cards, chunks[-1]])
