"""V1, V2 and V3 cards as JSON documents: what is around the character's own data, in and out.

The three versions differ in their envelope, not in kind: V1 has its six texts at the root, V2 and V3 put
everything under `data`, and some programs repeat the V1 texts at the root for old readers. What stands at the
root and is not defined there is kept and written back.

Specifications: `spec_v1.md` and `spec_v2.md` of malfoyslastname/character-card-spec-v2, `SPEC_V3.md` of
kwaroran/character-card-spec-v3.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ruxi.characters import png
from ruxi.characters.faults import CardFaults, Finding, kind_of, shortened

Spec = Literal["v2", "v3"]
SPECS: Mapping[Spec, tuple[str, str]] = {"v2": ("chara_card_v2", "2.0"), "v3": ("chara_card_v3", "3.0")}
V1_FIELDS = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
MAX_DEPTH = 100
_OTHER_PICTURES = {b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"RIFF": "WebP", b"BM": "BMP"}


@dataclass(frozen=True)
class Envelope:
    """What surrounds a character's data in its file.

    Attributes:
        prefix: Path of the data in the document: `data`, or empty for V1.
        root: Root fields that no specification defines, and V1 texts there that differ from the data.
        mirrored: V1 texts that the root repeated from the data.
        version: The version that the document claims: 1.0, 2.0, 3.0 or a newer one.
    """

    prefix: str = "data"
    root: Mapping[str, Any] = field(default_factory=dict)
    mirrored: tuple[str, ...] = ()
    version: float = 3.0

    @property
    def is_newer(self) -> bool:
        """Whether the document claims a version later than any that is known here."""
        return self.version > 3.0


@dataclass(frozen=True)
class Source:
    """A card as its file holds it.

    Attributes:
        fields: The character's data, not yet validated.
        envelope: What surrounds it.
        portrait: The picture without the card, for a PNG.
        texts: JSON of each card chunk, by keyword, for a PNG.
    """

    fields: dict[str, Any]
    envelope: Envelope
    portrait: bytes | None = None
    texts: Mapping[str, bytes] = field(default_factory=dict)


def read(data: bytes) -> Source:
    """Take a card file apart.

    Args:
        data: Content of a JSON or PNG file. Of a PNG with both kinds of card, V3 counts.

    Raises:
        CardFaults: It holds no card that can be read.
    """
    for start, kind in _OTHER_PICTURES.items():
        if data.startswith(start):
            raise CardFaults([Finding("", f"a {kind} picture", "Cards are PNG or JSON files.")])
    if not data.startswith(png.SIGNATURE):
        return Source(*unwrap(parse(data)))
    chunks = png.read_chunks(data)
    texts = png.card_texts(chunks)
    if not texts:
        raise CardFaults([Finding("", "a picture without a character in it", "Give a character card.")])
    fields, envelope = unwrap(parse(texts["ccv3"] if "ccv3" in texts else texts["chara"]))
    return Source(fields, envelope, png.without_cards(chunks), texts)


def parse(data: bytes) -> Any:
    """Read JSON, refusing what would not survive being written again.

    Lone surrogates, which programs leave when they cut a string inside an emoji, become U+FFFD.

    Raises:
        CardFaults: Not JSON, nested too deeply, or with numbers that JSON does not know.
    """
    try:
        text = data.decode(json.detect_encoding(data))
        document = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        written = json.dumps(document, ensure_ascii=False)
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else f"not readable JSON ({error})"
        raise CardFaults([Finding("", problem, "Give a character card in JSON or PNG.")]) from error
    if _depth(document) > MAX_DEPTH:
        raise CardFaults([Finding("", f"nested more than {MAX_DEPTH} levels deep", "Flatten its extensions.")])
    try:
        written.encode("utf-8")
    except UnicodeEncodeError:
        document = json.loads(written.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return document


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:20]} is too large")
    return number


def _depth(document: Any) -> int:
    level, depth = [document], 0
    while level:
        depth += 1
        containers = [item for item in level if isinstance(item, dict | list)]
        level = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]
        if depth > MAX_DEPTH:
            break
    return depth


def unwrap(document: Any) -> tuple[dict[str, Any], Envelope]:
    """Find a character's data in a card of any version.

    Returns:
        The data, not yet validated, and what surrounded it.

    Raises:
        CardFaults: The document is no character card.
    """
    if not isinstance(document, dict):
        raise CardFaults([Finding("", f"is {kind_of(document)}, not an object", _NOT_A_CARD)])
    spec = document.get("spec")
    if spec is None and not isinstance(document.get("data"), dict):
        return _unwrap_v1(document)
    if spec is not None and spec not in [name for name, _ in SPECS.values()]:
        what = "a lorebook, not a character" if spec == "lorebook_v3" else f"is {shortened(spec)}"
        raise CardFaults([Finding("spec", what, "Known: 'chara_card_v2', 'chara_card_v3'.")])
    data = document.get("data")
    if not isinstance(data, dict):
        problem = "is missing" if data is None else f"is {kind_of(data)}, not an object"
        raise CardFaults([Finding("data", problem, "Put the character's fields under `data`.")])
    mirrored = tuple(name for name in V1_FIELDS if name in document and document[name] == data.get(name))
    root = {key: value for key, value in document.items() if key not in {"spec", "spec_version", "data", *mirrored}}
    return data, Envelope("data", root, mirrored, _version(spec, document.get("spec_version")))


_NOT_A_CARD = "Give a character card (V1, V2 or V3)."


def _unwrap_v1(document: dict[str, Any]) -> tuple[dict[str, Any], Envelope]:
    data = {name: document[name] for name in V1_FIELDS if name in document}
    if "name" not in data:
        what = "a lorebook, not a character" if "entries" in document else "has no `name`, `spec` or `data`"
        raise CardFaults([Finding("", what, _NOT_A_CARD)])
    root = {key: value for key, value in document.items() if key not in data}
    return data, Envelope("", root, (), 1.0)


def _version(spec: str | None, claimed: Any) -> float:
    try:
        version = float(claimed)
    except (TypeError, ValueError):
        version = math.nan
    if not math.isfinite(version):
        return 3.0 if spec == "chara_card_v3" else 2.0
    return version


def wrap(data: Mapping[str, Any], envelope: Envelope, spec: Spec) -> dict[str, Any]:
    """Build a V2 or V3 document around a character's data.

    Args:
        data: The fields to stand under `data`.
        envelope: What surrounded the character when it was read.
        spec: The version to write.
    """
    name, version = SPECS[spec]
    mirrored = {key: data[key] for key in envelope.mirrored}
    return {**mirrored, **envelope.root, "spec": name, "spec_version": version, "data": dict(data)}
