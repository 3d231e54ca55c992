"""Small cards and pictures made here, and how to put the one into the other."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from typing import Any

from hypothesis import strategies as st
from PIL import Image

V1 = {
    "name": "Ada",
    "description": "Ada repairs clocks.",
    "personality": "exact",
    "scenario": "A workshop.",
    "first_mes": "Mind the springs.",
    "mes_example": "<START>\n{{user}}: Hi\n{{char}}: Tick.",
}
V2_DATA = {
    **V1,
    "creator_notes": "",
    "system_prompt": "Be {{char}}. {{original}}",
    "post_history_instructions": "",
    "alternate_greetings": ["Tock."],
    "tags": ["clocks"],
    "creator": "somebody",
    "character_version": "2",
    "extensions": {"depth": 4},
}
ENTRY = {"keys": ["clock"], "content": "All wrong.", "extensions": {}, "enabled": True, "insertion_order": 1}

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
JSON_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


def v2(**fields: Any) -> dict[str, Any]:
    """A V2 document with these fields changed under `data`."""
    return {"spec": "chara_card_v2", "spec_version": "2.0", "data": {**V2_DATA, **fields}}


def v3(**fields: Any) -> dict[str, Any]:
    """A V3 document with these fields changed under `data`."""
    return {"spec": "chara_card_v3", "spec_version": "3.0", "data": {**V2_DATA, "group_only_greetings": [], **fields}}


def as_bytes(document: Any) -> bytes:
    """A document as the content of a JSON file."""
    return json.dumps(document).encode()


def picture(colour: str = "teal") -> bytes:
    """A small real PNG."""
    file = io.BytesIO()
    Image.new("RGB", (8, 12), colour).save(file, "PNG", dpi=(72, 72))
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its checksum, written independently of the code under test."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def text_chunk(keyword: str, document: Any) -> bytes:
    """A `tEXt` chunk that holds a card."""
    return chunk(b"tEXt", keyword.encode() + b"\0" + base64.b64encode(as_bytes(document)))


def png_with(*chunks: bytes, base: bytes | None = None) -> bytes:
    """A PNG with these chunks before its end."""
    base = base or picture()
    return base[:-12] + b"".join(chunks) + base[-12:]
