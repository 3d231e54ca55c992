"""Which matrix of a decoder gets how many bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruxi.compress.calibration import second_moments
from ruxi.compress.decoder import Precisions
from ruxi.compress.quantize import Quantization
from ruxi.model.base import decoder_layers
from ruxi.runtime.onnx.bundle import Precision

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ruxi.compress.export import Progress
    from ruxi.model import RolePlayForCausalLM

_EIGHT = Quantization(8, "rtn_symmetric")
_FOUR = Quantization(4, "gptq")


def precisions_of(
    precision: Precision, model: RolePlayForCausalLM, tokenizer: Tokenizer, progress: Progress | None = None
) -> Precisions:
    """The choice for each precision that `ruxi compress` knows.

    Args:
        precision: Its name.
        model: The model.
        tokenizer: Its tokenizer.
        progress: Told while the model reads for calibrated rounding.
    """
    if precision == "fp32":
        return Precisions()
    if precision == "int8":
        return Precisions(_EIGHT, _EIGHT, _EIGHT, _EIGHT)
    moments = second_moments(model, tokenizer, progress)
    if precision == "int4":
        return Precisions(_FOUR, _EIGHT, _FOUR, _EIGHT, moments=moments)
    layers = len(decoder_layers(model.language_model))
    # The outer fifths bear rounding worst: what they lose, every layer or the reply itself takes over.
    fours: dict[str, Quantization | None] = {
        f"layers.{index}.{part}": _FOUR
        for index in range(layers // 5, layers - layers // 5)
        for part in ("attended", "down")
    }
    return Precisions(_EIGHT, _EIGHT, _EIGHT, _EIGHT, fours, moments)
