"""A persona that was read once need not be read at the next start, and changes nothing of what is said."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from ruxi.runtime.onnx import personas
from ruxi.runtime.onnx.decoder import Decoder, Read, Result
from ruxi.runtime.onnx.engine import OnnxEngine
from ruxi.runtime.onnx.memory import Slot
from tests.runtime.onnx.conftest import MEDIA, Pair, ask, tokens_of
from tests.runtime.talk import GREEDY, dialogue, seeing

Opened = Callable[..., OnnxEngine]
Pairs = Callable[..., Pair]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many positions each pass over a prompt reads."""
    counts: list[int] = []
    original = Decoder.read

    def counted(decoder: Decoder, slot: Slot, one: Read) -> Result:
        counts.append(len(one.ids))
        return original(decoder, slot, one)

    monkeypatch.setattr(Decoder, "read", counted)
    return counts


@pytest.mark.parametrize(
    "settings", [{}, {"fusion": {"kind": "prefix"}}, {"guidance": {}}], ids=["cross_attention", "prefix", "guidance"]
)
def test_the_next_engine_says_the_same_without_reading_the_persona(
    pairs: Pairs, opened: Opened, read: list[int], tmp_path: Path, settings: dict[str, object]
) -> None:
    pair = pairs(**settings)
    prompt = ask(pair.torch, seeing())
    said = []
    for _ in range(2):
        with opened(pair, personas=tmp_path) as engine:
            said.append(tokens_of(engine, prompt, GREEDY, MEDIA))
            said.append(sum(read))
            read.clear()
    (kept,) = tmp_path.iterdir()
    assert said[2] == said[0] == tokens_of(pair.torch, prompt, GREEDY, MEDIA)
    assert said[3] < said[1] - 128
    assert kept.suffix == ".npy"


def test_another_persona_or_model_is_not_taken_for_it(
    pairs: Pairs, opened: Opened, read: list[int], tmp_path: Path
) -> None:
    talk = dialogue(("User", "Aye?"))
    asked: list[tuple[Pair, dict[str, str]]] = [(pairs(), {}), (pairs(gate=0.5), {}), (pairs(), {"user": "Jo"})]
    for pair, options in asked:
        with opened(pair, personas=tmp_path) as engine:
            prompt = ask(engine, talk, **options)
            read.clear()
            tokens_of(engine, prompt)
            assert sum(read) == len(prompt.input_ids)
    assert len(list(tmp_path.iterdir())) == len(asked)


def test_a_damaged_file_is_told_and_read_anew(
    pairs: Pairs, opened: Opened, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = []
    for _ in range(2):
        with opened(pairs(), personas=tmp_path) as engine:
            said.append(tokens_of(engine, ask(engine, seeing()), GREEDY, MEDIA))
        (kept,) = tmp_path.iterdir()
        kept.write_bytes(kept.read_bytes()[:5000])
        caplog.set_level(logging.WARNING, logger="ruxi")
    assert said[0] == said[1]
    assert "the persona is read anew" in caplog.text


def test_those_unused_for_longest_go(
    pairs: Pairs, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personas, "_MOST_BYTES", 1)
    left = []
    for user in ("User", "Jo"):
        with opened(pairs(), personas=tmp_path) as engine:  # what is kept is there when the engine is closed
            tokens_of(engine, ask(engine, dialogue((user, "Aye?")), user=user))
        left += tmp_path.iterdir()
    first, second = left
    assert first != second
