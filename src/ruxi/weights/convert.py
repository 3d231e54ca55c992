"""Converts a GGUF language model into a `transformers` folder: `python -m ruxi.weights.convert GGUF FOLDER`.

The numbers are exactly those that `transformers` dequantises, in float32. Two things are put right on the way:
the quantisation entry leaves the configuration (it would send every later load back to the GGUF), and the
tokenizer regains the splitting of digits that the GGUF names (`tokenizer.ggml.pre = smollm`) and that
`transformers` drops.
"""

from __future__ import annotations

import sys
from pathlib import Path


def convert(source: Path, target: Path) -> None:
    """Write the model as safetensors, its configurations, and its tokenizer with the chat template.

    Args:
        source: The GGUF file.
        target: An existing folder.

    Raises:
        ValueError: `transformers` does not know the architecture.
        OSError: The target cannot be written.
    """
    import gguf
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    del model.config.quantization_config
    model.hf_quantizer = None
    model.save_pretrained(target)

    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    pre = gguf.GGUFReader(source).get_field("tokenizer.ggml.pre")
    if pre is not None and pre.contents() == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    tokenizer.model_max_length = model.config.max_position_embeddings
    # One file holds the chat template too, so that a reader need not know where `transformers` puts it.
    tokenizer.save_pretrained(target, save_jinja_files=False)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
