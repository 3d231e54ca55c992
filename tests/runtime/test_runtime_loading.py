"""Opening an engine by name, from a folder that people have on their disk."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

import ruxi
from ruxi.characters import Character
from ruxi.dialogues import Dialogue, Turn
from ruxi.errors import ModelError, UsageError, WeightsError
from ruxi.runtime import Sampling
from ruxi.runtime.torch_engine import TorchEngine


def test_the_folder_of_a_language_model_speaks(llama_folder: Path) -> None:
    engine = ruxi.load(str(llama_folder), dtype="float32")
    prompt = engine.prompts.build(
        Character(name="Mira"), Dialogue(id="d", turns=[Turn.of_text("User", "Hello")]), reserve=8
    )
    deltas = list(engine.generate(prompt, {}, Sampling(max_tokens=8, seed=1)))
    assert deltas[-1].finish_reason in ("stop", "length")
    assert engine.name == str(llama_folder)
    assert engine.extractor_names() == {"image": "efficientnet-lite0", "audio": "whisper-base", "video": "video"}


def test_the_folder_of_an_adapter_speaks_with_what_was_trained(llama_folder: Path, tmp_path: Path) -> None:
    engine = ruxi.load(str(llama_folder), dtype="float32")
    assert isinstance(engine, TorchEngine)
    assert not engine.uses_media
    for block in engine.model.fusion.blocks.values():
        torch.nn.init.constant_(block.gate, 0.5)
    engine.model.save_pretrained(tmp_path / "mine")
    trained = ruxi.load(str(tmp_path / "mine"), dtype="float32")
    assert isinstance(trained, TorchEngine)
    assert trained.uses_media
    assert trained.prompts.chat_format == engine.prompts.chat_format
    engine.model.save_pretrained(tmp_path / "run" / "adapter")
    with pytest.raises(UsageError, match=r"the folder of a training run\. Name its adapter: .*run/adapter\."):
        ruxi.load(str(tmp_path / "run"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_precision_is_the_one_asked_for(llama_folder: Path, dtype: str) -> None:
    engine = ruxi.load(str(llama_folder), dtype=dtype)  # type: ignore[arg-type]
    assert isinstance(engine, TorchEngine)
    assert engine.model.dtype == getattr(torch, dtype)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "no-such-model"}, "no-such-model"),
        ({"engine": "abacus"}, "no engine is called 'abacus'. Known: .*torch"),
        ({"dtype": "int3"}, "no precision is called 'int3'"),
        ({"threads": 0}, "0 threads"),
        ({"engine": "http://127.0.0.1:9/v1", "slots": 2}, "'slots'"),
    ],
)
def test_wrong_names_are_usage_errors_that_say_what_is_known(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ruxi.load(**settings)  # type: ignore[arg-type]


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises((ModelError, WeightsError), match="safetensors"):
        ruxi.load(str(tmp_path))


@pytest.mark.weights
@pytest.mark.slow
def test_ruxi_mini_answers_in_words_within_seconds() -> None:
    engine = ruxi.load()
    talk = Dialogue(id="d", turns=[Turn.of_text("User", "What is the capital of France? Answer in one word.")])
    prompt = engine.prompts.build(Character(name="Mira", description="A teacher of geography."), talk)
    began = time.process_time()
    deltas = engine.generate(prompt, {}, Sampling(temperature=0, max_tokens=20))
    next(deltas)
    assert time.process_time() - began < 6  # seconds of two cores
    assert "Paris" in "".join(delta.text for delta in engine.generate(prompt, {}, Sampling(temperature=0)))
