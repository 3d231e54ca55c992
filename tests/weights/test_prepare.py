"""The language model's prepared form holds exactly what the GGUF holds, and is made once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import tokenizers

from ruxi.errors import WeightsError
from ruxi.weights import Store, pull, require
from ruxi.weights.catalogue import Part, PartFile, Piece, Wheel
from tests.weights.disks import limited_files
from tests.weights.parcels import pip_environment, ruxi, ruxi_command, write_wheel
from tests.weights.tiny_gguf import write_tiny_gguf

pytestmark = pytest.mark.slow


def language_model(gguf: bytes, wheels: Path) -> dict[str, Part]:
    wheel = write_wheel(wheels, "parcel-tiny", {"parcel_tiny/tiny.gguf": gguf})
    part = Part(
        name="tiny",
        role="language model",
        licence="Apache-2.0",
        origin="https://example.org/tiny",
        wheels=(Wheel("parcel-tiny==1.0", wheel.stat().st_size),),
        files=(
            PartFile("tiny.gguf", hashlib.sha256(gguf).hexdigest(), (Piece(0, "parcel_tiny/tiny.gguf", len(gguf)),)),
        ),
        prepared="transformers",
    )
    return {"tiny": part}


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store into which the tiny model was pulled, once: a conversion takes seconds. Not to be changed."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_gguf(folder / "tiny.gguf")
    parts = language_model((folder / "tiny.gguf").read_bytes(), folder / "wheels")
    store = Store(folder / "home" / "weights", parts)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in pip_environment(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(folder / "wheels")).items():
            patch.setenv(name, value)
        pull(store=store)
    return store


@pytest.fixture
def copied(pulled: Store, environment: Path) -> Store:
    """A store of our own with the pulled model in it, and no wheels to pull it from again."""
    shutil.copytree(pulled.root, environment)
    return Store(parts=pulled.parts)


def test_the_prepared_form_is_the_model_that_transformers_reads_from_the_gguf(pulled: Store) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = require("tiny", store=pulled)
    reference = AutoModelForCausalLM.from_pretrained(folder, gguf_file="tiny.gguf", dtype=torch.float32)
    prepared = AutoModelForCausalLM.from_pretrained(folder / "hf", use_safetensors=True)
    expected = reference.state_dict()
    found = prepared.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert "quantization_config" not in json.loads((folder / "hf" / "config.json").read_text())

    tokenizer = AutoTokenizer.from_pretrained(folder / "hf")
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
    assert chat == "<|im_start|>user\nhi<|im_end|>\n"
    assert (tokenizer.eos_token_id, tokenizer.model_max_length) == (2, 256)


def test_the_tokenizer_loads_without_transformers_and_splits_digits_first(pulled: Store) -> None:
    tokenizer = tokenizers.Tokenizer.from_file(str(require("tiny", store=pulled) / "hf" / "tokenizer.json"))
    encoded = tokenizer.encode("a  12<|im_end|>")
    # Byte-level BPE alone would tear the two spaces apart: one of them would go with the digits.
    assert encoded.tokens == ["a", "ĠĠ", "1", "2", "<|im_end|>"]
    assert tokenizer.decode(encoded.ids) == "a  12"


def test_a_prepared_form_of_another_version_is_not_used(copied: Store) -> None:
    part = copied.parts["tiny"]
    assert copied.prepared_fault(part) is None
    receipt_file = copied.root / "tiny" / "hf" / "installed.json"
    receipt = json.loads(receipt_file.read_text())
    assert receipt["source"] == {"tiny.gguf": part.files[0].sha256}
    receipt["source"] = {"tiny.gguf": "0" * 64}
    receipt_file.write_text(json.dumps(receipt))
    assert copied.prepared_fault(part) == "prepared from another version"


def test_pull_repairs_a_prepared_form_that_rotted_without_the_network(copied: Store) -> None:
    model = copied.root / "tiny" / "hf" / "model.safetensors"
    right = model.read_bytes()
    model.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    (repaired,) = pull(store=copied)
    assert (repaired.status, repaired.bytes) == ("installed", 0)
    assert model.read_bytes() == right


def test_a_kill_while_preparing_keeps_the_download(copied: Store) -> None:
    shutil.rmtree(copied.root / "tiny" / "hf")
    process = subprocess.Popen(ruxi_command(copied.parts, "pull"), start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not list(copied.root.glob("tiny/.hf.*")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (copied.root / "tiny" / "hf").exists()
    assert (require("tiny", store=copied) / "hf" / "model.safetensors").is_file()
    assert not list(copied.root.glob("tiny/.*"))


def test_a_gguf_that_cannot_be_read_is_one_clear_line(environment: Path, wheels: Path) -> None:
    store = Store(parts=language_model(b"GGUF but not really", wheels))
    with pytest.raises(WeightsError, match=r"tiny\.gguf: cannot be converted to safetensors: .*ruxi doctor") as caught:
        pull(store=store)
    assert "\n" not in str(caught.value)


def test_a_full_disk_while_preparing_keeps_the_download(copied: Store) -> None:
    shutil.rmtree(copied.root / "tiny" / "hf")
    result = ruxi(copied.parts, "pull", before=limited_files(200_000))
    assert result.returncode == 1
    assert "no room on the disk for tiny" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert copied.fault(copied.parts["tiny"], verify=True) is None
    assert not list(copied.root.glob("tiny/.*"))
