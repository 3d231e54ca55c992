"""The same weights in every contender's form, made once in a working folder.

All of them come from the pinned SmolLM2-135M-Instruct: llama.cpp's files are quantized from the values of its GGUF,
which are those of the safetensors; what belongs to Ruxi (resamplers, fusion) is untrained, with open gates.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from ruxi import files, weights

PART = "smollm2-135m-instruct"
GATE = 0.5
MODALITIES = {
    "image": {"extractor": "efficientnet-lite0", "width": 1280},
    "speech": {"extractor": "whisper-base", "width": 512},
}


def language_model() -> Path:
    """The language model as Hugging Face has it."""
    return weights.require(PART) / "hf"


def gguf_file(work: Path, kind: str) -> Path:
    """The language model for llama.cpp.

    Args:
        work: Where it is kept.
        kind: `q4_0` or `q8_0` for llama.cpp's own choice (the embedding, which is also the head, in 8 bits), or
            `q4_0-pure` for 4 bits throughout.
    """
    import gguf
    from gguf.quants import dequantize, quantize

    path = work / f"{PART}.{kind}.gguf"
    if path.is_file():
        return path
    main = gguf.GGMLQuantizationType[kind.removesuffix("-pure").upper()]
    (source,) = weights.require(PART).glob("*.gguf")
    reader = gguf.GGUFReader(source)
    draft = path.with_suffix(".part")
    work.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(draft, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        kinds = field.types
        sub_type = kinds[-1] if kinds[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kinds[0], sub_type=sub_type)
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        wanted = main
        if values.ndim == 1:
            wanted = gguf.GGMLQuantizationType.F32
        elif tensor.name == "token_embd.weight" and not kind.endswith("-pure"):
            wanted = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(tensor.name, quantize(values, wanted), raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    draft.replace(path)
    return path


def genai_folder(work: Path) -> Path:
    """The language model for onnxruntime-genai in 4 bits, by its own builder."""
    folder = work / "genai-int4"
    if not folder.is_dir():
        with files.new_folder(folder) as draft:
            command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(language_model())]
            command += ["-o", str(draft), "-p", "int4", "-e", "cpu", "-c", str(work / "genai-cache")]
            command += ["--extra_options", "int4_accuracy_level=4", "int4_block_size=32"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return folder


def adapter_folder(work: Path, kind: str) -> Path:
    """Untrained parts around the language model whose media change what it says.

    Args:
        work: Where they are kept.
        kind: `cross_attention` or `prefix`.
    """
    import torch

    from ruxi.model import RolePlayForCausalLM

    folder = work / f"untrained-{kind}"
    if not folder.is_dir():
        torch.manual_seed(0)
        model = RolePlayForCausalLM.from_base(PART, dtype=torch.float32, modalities=MODALITIES, fusion={"kind": kind})
        for block in model.fusion.blocks.values():
            torch.nn.init.constant_(block.gate, GATE)
        model.save_pretrained(folder)
    return folder


def bundle_folder(work: Path, kind: str, precision: str, **options: Any) -> Path:
    """The model with its untrained parts as graphs for the fast engine.

    Args:
        work: Where it is kept.
        kind: See `adapter_folder`.
        precision: `fp32`, `int8` or `int4`.
        options: Passed on to the exporter.
    """
    from ruxi.compress.export import export

    folder = work / f"onnx-{kind}-{precision}"
    if not folder.is_dir():
        export(str(adapter_folder(work, kind)), folder, precision, **options)
    return folder
