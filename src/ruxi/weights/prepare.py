"""Turns the pinned GGUF file of the language model into safetensors, once.

`transformers` needs over ten seconds to read the GGUF; the prepared folder loads in well under one. The numbers are
exactly those that `transformers` dequantises, in float32. Two things are put right on the way: the quantisation
entry leaves the configuration (it would send every later load back to the GGUF), and the tokenizer regains the
splitting of digits that the GGUF names (`tokenizer.ggml.pre = smollm`) and the conversion drops.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ruxi import files
from ruxi.errors import WeightsError
from ruxi.weights.catalogue import Part
from ruxi.weights.store import PREPARED, Store, source_of, write_receipt


def prepare(store: Store, part: Part) -> None:
    """Make the prepared form of an installed part. The caller holds the store's lock.

    Raises:
        WeightsError: The GGUF file cannot be converted.
    """
    folder = store.folder(part)
    source = next(folder / file.name for file in part.files if file.name.endswith(".gguf"))
    with files.new_folder(folder / PREPARED) as staging:
        try:
            with _quiet_transformers():
                _convert(source, staging)
        except (ValueError, KeyError, RuntimeError, ImportError) as error:
            raise WeightsError(
                f"cannot be converted to safetensors ({error})",
                where=str(source),
                remedy="Install the versions of `transformers` and `gguf` that Ruxi asks for, then run "
                f"`ruxi pull {part.name}`.",
            ) from error
        entries = {}
        for path in sorted(staging.iterdir()):
            os.chmod(path, 0o644)
            _flush(path)
            entries[path.name] = (files.sha256_of(path), path.stat().st_size)
        write_receipt(staging, entries, source_of(part))


def _convert(source: Path, target: Path) -> None:
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
    # One file holds the template too, so that a reader needs no knowledge of where `transformers` puts it.
    tokenizer.save_pretrained(target, save_jinja_files=False)


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Keep the bars of `transformers` off the screen: the caller shows the progress."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        # The GGUF reader draws a bar of its own, straight to stderr.
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            yield
    finally:
        if shown:
            logging.enable_progress_bar()
        sys.stderr.flush()


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
