"""Real and built-in cards, damaged at random: each gives a card or one clear error, never a crash."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ruxi.characters import Character, builtin_names, png
from ruxi.characters.checks import check, losses
from ruxi.characters.library import locate
from ruxi.errors import CardError

_ROUNDS = 80
_JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1.5,
    10**30,
    "",
    "\x1b[31m",
    "{{random:",
    [],
    {},
    [[]],
    {"a": None},
    ["x"] * 50,
)


def files(folder: Path | None) -> list[Path]:
    if folder is None:
        return [locate(name) for name in builtin_names()]
    return [path for path in sorted(folder.iterdir()) if path.suffix in (".png", ".json", ".yaml")]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The file with a few bytes changed, taken out or put in."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed))
        match rng.randrange(4):
            case 0:
                changed[at] = rng.randrange(256)
            case 1:
                del changed[at : at + rng.randint(1, 400)]
            case 2:
                changed[at:at] = rng.randbytes(rng.randint(1, 40))
            case _:
                del changed[at:]
        changed = changed or bytearray(b"\0")
    return bytes(changed)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a document with every key in it."""
    for key, child in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(child, dict | list):
            yield from places(child)


def with_junk(document: Any, rng: random.Random) -> Any:
    """The document with a few values replaced, removed or added."""
    document = json.loads(json.dumps(document))
    for _ in range(rng.randint(1, 3)):
        container, key = rng.choice(list(places(document)))
        if isinstance(container, dict) and rng.random() < 0.3:
            del container[key]
        else:
            container[key] = copy.deepcopy(rng.choice(_JUNK))
        if not document:
            return document
    return document


def try_everything(path: Path, data: bytes) -> bool:
    """Load, check and write a card; True if it loaded."""
    path.write_bytes(data)
    findings = check(path)
    if any(finding.severity == "error" for finding in findings):
        with pytest.raises(CardError, match=r"\A[^\n]+\Z"):
            Character.load(path)
        return False
    character = Character.load(path)
    character.example_dialogues()
    losses(character, "v2", ".json")
    written = character.to_json()
    assert json.loads(Character.from_bytes(written.encode()).to_json()) == json.loads(written)
    return True


def damage(source: Path, path: Path, seed: int) -> int:
    """Damage one card in every way; the number of versions that still loaded."""
    rng = random.Random(seed)
    original = source.read_bytes()
    loaded = sum(try_everything(path, mutated(original, rng)) for _ in range(_ROUNDS // 3))
    if source.suffix == ".png":
        texts = png.card_texts(png.read_chunks(original))
        picture = png.without_cards(png.read_chunks(original))[:2000]
        picture = png.SIGNATURE + picture[8:33] + bytes(png.Chunk(b"IEND", b""))
        for keyword, text in texts.items():
            for _ in range(_ROUNDS):
                junk = json.dumps(with_junk(json.loads(text), rng)).encode()
                loaded += try_everything(path, png.with_cards(picture, {keyword: junk}))
                coded = mutated(base64.b64encode(text), rng)
                end = bytes(png.Chunk(b"tEXt", keyword.encode() + b"\0" + coded)) + picture[-12:]
                loaded += try_everything(path, picture[:-12] + end)
                loaded += try_everything(path, png.with_cards(picture, {keyword: mutated(text, rng)}))
    return loaded


@pytest.mark.parametrize("name", builtin_names())
def test_built_in_cards(name: str, tmp_path: Path) -> None:
    assert damage(locate(name), tmp_path / "card.png", 1) > _ROUNDS / 10


@pytest.mark.real_data
def test_cards_of_other_programs(real_data: Path, tmp_path: Path) -> None:
    loaded = {path.name: damage(path, tmp_path / "card", 2) for path in files(real_data / "cards")}
    assert loaded["default_Seraphina.png"] > _ROUNDS / 10
    assert loaded["default_Seraphina_st1.19.0_v2v3.png"] > _ROUNDS / 10
