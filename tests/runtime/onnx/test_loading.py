"""Opening bundles: by folder, and through the store for models that are not exported yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import ruxi
from ruxi import weights
from ruxi.compress.export import export
from ruxi.errors import ModelError, UsageError
from ruxi.runtime import Sampling, generate_several
from ruxi.runtime.onnx.bundle import Precision
from ruxi.runtime.onnx.engine import OnnxEngine
from tests.runtime.onnx.conftest import MEDIA, Pair, ask
from tests.runtime.talk import GREEDY, seeing
from tests.tiny_models import save_llama


def test_a_bundle_is_opened_by_its_folder_with_the_engines_own_options(pairs: Callable[..., Pair]) -> None:
    folder = str(pairs().bundle.folder)
    with ruxi.load(folder, engine="onnx", threads=1, slots=2, context_length=128) as engine:  # type: ignore[attr-defined]
        assert engine.context_length == 128
        assert engine.name == folder
    with pytest.raises(UsageError, match=r"engine 'onnx': .*'slot'"):
        ruxi.load(folder, engine="onnx", slot=2)
    with pytest.raises(UsageError, match="does not compute in bfloat16"):
        ruxi.load(folder, engine="onnx", dtype="bfloat16")
    with pytest.raises(UsageError, match=r"is a bundle of ONNX graphs\. Load it with the engine `onnx`"):
        ruxi.load(folder)


def test_a_damaged_graph_is_named(pairs: Callable[..., Pair], tmp_path: Path) -> None:
    for file in pairs().bundle.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "decoder.onnx").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=r"decoder.onnx: ONNX Runtime .* cannot load it"):
        ruxi.load(str(tmp_path), engine="onnx")


@pytest.mark.weights
def test_a_model_is_exported_into_the_store_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = str(save_llama(tmp_path / "llama", width=64))
    monkeypatch.setattr("ruxi.weights.home", lambda: tmp_path / "home")
    with pytest.raises(UsageError, match=rf"Run `ruxi compress {model} --to onnx -o FOLDER`"):
        ruxi.load(model, engine="onnx")
    exported: list[Precision] = []

    def hook(name: str, folder: Path, precision: Precision) -> None:
        exported.append(precision)
        export(name, folder, precision)

    for _ in range(2):
        with ruxi.load(model, engine="onnx", dtype="float32", export=hook):  # type: ignore[attr-defined]
            pass
    assert exported == ["fp32"]
    # Other weights under the same name are another model.
    save_llama(tmp_path / "llama", width=64, talkative=True)
    with ruxi.load(model, engine="onnx", dtype="float32", export=hook):  # type: ignore[attr-defined]
        pass
    assert exported == ["fp32", "fp32"]


@pytest.mark.weights
def test_chat_exports_a_model_when_it_first_speaks_with_it(tmp_path: Path) -> None:
    model = save_llama(tmp_path / "llama", width=64, talkative=True)
    home = tmp_path / "home"
    home.mkdir()
    (home / "weights").symlink_to(weights.home() / "weights")
    fields = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
    (tmp_path / "mira.json").write_text(json.dumps({**dict.fromkeys(fields, ""), "name": "Mira"}))
    chat = ["-c", "from ruxi.cli import main; main()", "chat", str(tmp_path / "mira.json"), "--engine", "onnx"]
    told = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, *chat, "--model", str(model), "--say", "Aye?", "--max-tokens", "8"],
            capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "OMP_NUM_THREADS": "1", "RUXI_HOME": str(home)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
        told.append(done.stderr)
    (bundle,) = (home / "bundles").iterdir()
    assert f"Exporting {model} for the fast engine, this once, to {bundle}" in told[0]
    assert "Exporting" not in told[1]


def test_several_replies_are_spoken_side_by_side(pairs: Callable[..., Pair], opened: Callable[..., OnnxEngine]) -> None:
    pair = pairs()
    fast = opened(pair, slots=2)
    prompt = ask(fast, seeing())
    hot = Sampling(temperature=1.5, max_tokens=12, seed=4)
    expected = {
        index: [d.text for d in fast.generate(prompt, MEDIA, Sampling(temperature=1.5, max_tokens=12, seed=4 + index))]
        for index in range(3)
    }
    for engine in (fast, pair.torch):
        found: dict[int, list[str]] = {0: [], 1: [], 2: []}
        for index, delta in generate_several(engine, prompt, MEDIA, hot, 3):
            found[index].append(delta.text)
        assert found == expected
    with pytest.raises(UsageError, match="n: 0 replies"):
        next(generate_several(fast, prompt, MEDIA, GREEDY, 0))
