"""Damaged sources: an importer reports or refuses, never crashes, and never loses a good record in silence.

Seeded mutations of one file at a time, on the small sources of our own and on samples of the real data sets.
"""

from __future__ import annotations

import gzip
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ruxi.dialogues import DialogueSet
from ruxi.dialogues.importers import ImportReport
from ruxi.errors import RuxiError
from tests.dialogues.sources import SOURCES, imported

OUR_VARIANTS = 24
REAL_VARIANTS = 39

ONE_RECORD_A_LINE = {
    "cped", "fer2013", "flickr8k", "librispeech", "meld", "mmrole", "openai", "persona-chat", "ravdess",
    "topical-chat", "weather",
}  # fmt: skip
"""Importers that must keep every untouched line of a JSON lines file, whatever happens to the others."""

_GARBAGE = [
    b"\0",
    b'"',
    b"{",
    b"}",
    b"[",
    b"\n",
    b"\xff\xfe",
    b"\\",
    b"1e999",
    b"null",
    b"-->",
    b"\xed\xa0\x80",
    b"NaN",
]


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _truncate(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _insert(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data))
    data[place:place] = chance.choice(_GARBAGE) * chance.choice([1, 1, 1, 300])


def _cut_out(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    del data[start : start + chance.randint(1, 200)]


def _overwrite(data: bytearray, chance: random.Random) -> None:
    start, junk = chance.randrange(len(data)), chance.randbytes(chance.randint(1, 40))
    data[start : start + len(junk)] = junk


def _repeat(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    piece = data[start : start + chance.randint(1, 400)]
    data[start:start] = piece


def _change_type(data: bytearray, chance: random.Random) -> None:
    wrong = chance.choice([b": null", b": [[[[", b": {}", b": 7", b': ""', b": true", b":"])
    places = [place for place in range(len(data)) if data.startswith(b": ", place)] or [0]
    place = chance.choice(places)
    data[place : place + 3] = wrong


MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [
    _flip, _truncate, _insert, _cut_out, _overwrite, _repeat, _change_type,
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Power cuts are not the subject here, and waiting for the disk would take most of the time."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def words_of(data: DialogueSet) -> Counter[str]:
    """Whatever the dialogues say, and the media that have a turn of their own."""
    return Counter(
        turn.text or " ".join(part.name or "" for part in turn.parts)
        for dialogue in data
        for turn in dialogue.turns
        if turn.text or turn.speaker != "Narrator"
    )


def result_of(name: str, source: Path, out: Path) -> tuple[DialogueSet, ImportReport] | None:
    """What an import gives, or None when it refuses; any other error fails the test."""
    shutil.rmtree(out, ignore_errors=True)
    try:
        return imported(name, source, out)
    except RuxiError:
        return None


def unpacked(path: Path, data: bytes) -> bytes:
    return gzip.decompress(data) if path.suffix == ".gz" else data


def check_variant(name: str, source: Path, root: Path, seed: int, work: Path) -> None:
    """Damage one file, import, and compare with what the untouched lines alone give."""
    chance = random.Random(f"{name} {seed}")
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.stat().st_size)
    tables = [
        path
        for path in files
        if path.suffix in (".jsonl", ".gz", ".json", ".cfg", ".rpy", ".srt", ".vtt", ".csv", ".parquet")
    ]
    path = chance.choice(tables if chance.random() < 0.75 else files)
    original = path.read_bytes()
    content = original
    # Half of the variants of a packed file are damaged inside and packed again, the others as they lie on the disk.
    inside = path.suffix == ".gz" and chance.random() < 0.5
    damaged = bytearray(unpacked(path, content) if inside else content)
    mutation = chance.choice(MUTATIONS)
    mutation(damaged, chance)
    path.write_bytes(gzip.compress(bytes(damaged)) if inside else bytes(damaged))
    try:
        result = result_of(name, source, work / "damaged")
        plain_lines = path.suffix == ".jsonl" or inside
        if not plain_lines:
            if result is not None:
                check_plain(name, result, source, path, original, work, mutation.__name__, seed)
            return
        lines = set((unpacked(path, content) if inside else content).splitlines(keepends=True))
        kept = [line for line in bytes(damaged).splitlines(keepends=True) if line in lines and line.endswith(b"\n")]
        path.write_bytes(gzip.compress(b"".join(kept)) if inside else b"".join(kept))
        control = result_of(name, source, work / "control")
        if control is None:
            return
        where = f"{name}, variant {seed}: {mutation.__name__} of {path.name}"
        assert result is not None, f"{where}: refused although {len(control[0])} dialogues are whole"
        missing = words_of(control[0]) - words_of(result[0])
        if name in ONE_RECORD_A_LINE:
            assert not missing, f"{where}: lost {missing}"
        assert not missing or result[1].problems, f"{where}: lost in silence {missing}"
    finally:
        path.write_bytes(original)


def check_plain(
    name: str,
    result: tuple[DialogueSet, ImportReport],
    source: Path,
    path: Path,
    original: bytes,
    work: Path,
    mutation: str,
    seed: int,
) -> None:
    """In scripts, tables and packed files: more may be missing than the damaged spot itself only with a report."""
    damaged = path.read_bytes()
    path.write_bytes(original)
    whole = result_of(name, source, work / "control")
    assert whole is not None
    start = next(
        (i for i, (a, b) in enumerate(zip(original, damaged, strict=False)) if a != b), min(len(original), len(damaged))
    )
    tail = next((i for i, (a, b) in enumerate(zip(reversed(original), reversed(damaged), strict=False)) if a != b), 0)
    spot = original[max(0, start - 300) : max(len(original) - tail, start) + 300].decode("utf-8", "ignore")
    missing = words_of(whole[0]) - words_of(result[0])
    far = [text for text in missing if text[:3] not in spot]
    problem_free = not (result[1].problems - whole[1].problems)
    assert not (far and problem_free), f"{name}, variant {seed}: {mutation} of {path.name} lost in silence {far}"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SOURCES))
def test_damaged_sources_of_our_own(name: str, tmp_path: Path) -> None:
    source = SOURCES[name](tmp_path / "source")
    for seed in range(OUR_VARIANTS):
        check_variant(name, source, tmp_path / "source", seed, tmp_path)


REAL: dict[str, tuple[str, dict[str, int], tuple[str, ...]]] = {
    "cped": ("cped", {"dialogues.jsonl.gz": 12}, ()),
    "fer2013": ("fer2013", {"metadata.jsonl": 20}, ("images.zip",)),
    "flickr8k": ("flickr8k", {"captions.jsonl": 12}, ("images",)),
    "freedroidrpg": ("freedroidrpg", {"dialogue.jsonl": 80, "characters.jsonl": 12}, ("portraits",)),
    "librispeech": ("librispeech_sample", {"metadata.jsonl": 5}, ("audio",)),
    "meld": ("meld", {"dialogues.jsonl": 20}, ()),
    "mmrole": ("mmrole", {"dialogues.jsonl.gz": 30}, ("holdout_dialogue_ids.txt", "profiles")),
    "persona-chat": ("synthetic_persona_chat", {"conversations.jsonl.gz": 8}, ()),
    "ravdess": ("ravdess", {"metadata.jsonl": 12}, ("audio",)),
    "renpy": ("renpy", {"the_question.jsonl": 75}, ("the_question",)),
    "topical-chat": ("topical_chat", {"conversations.jsonl.gz": 8}, ()),
    "weather": ("weather", {"metadata.jsonl": 10}, ("images",)),
    "wesnoth": ("wesnoth", {"dialogue.jsonl": 60, "characters.jsonl": 20}, ("images",)),
}
"""For each importer the folder of the real data, how many lines of which file to take, and what goes with it."""


def sample(name: str, real_data: Path, folder: Path) -> Path:
    """The first lines of a real data set with the files that they name."""
    origin, tables, others = REAL[name]
    folder.mkdir()
    text = b""
    for table, count in tables.items():
        packed = table.endswith(".gz")
        with (gzip.open if packed else open)(real_data / origin / table, "rb") as content:
            head = b"".join(content.readline() for _ in range(count))
        (folder / table).write_bytes(gzip.compress(head) if packed else head)
        text += head
    for other in others:
        path = real_data / origin / other
        if other == "images.zip":
            shutil.copy(path, folder / other)
        elif path.is_file() or other == "profiles":
            (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / other)
        else:
            for file in path.rglob("*"):
                if file.is_file() and file.name.encode() in text:
                    target = folder / file.relative_to(real_data / origin)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, target)
    return folder


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("name", sorted(REAL))
def test_damaged_real_files(name: str, real_data: Path, tmp_path: Path) -> None:
    source = sample(name, real_data, tmp_path / "source")
    for path in source.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for seed in range(REAL_VARIANTS):
        check_variant(name, source, source, seed, tmp_path)
