"""Which matrix of a decoder gets how many bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruxi.compress.decoder import Precisions
from ruxi.compress.quantize import Quantization

if TYPE_CHECKING:
    from ruxi.compress.export import Precision
    from ruxi.compress.language_model import LanguageModel

_EIGHT = Quantization(8, "rtn_symmetric")
_FOUR = Quantization(4, "k_quant")


def precisions_of(precision: Precision, model: LanguageModel) -> Precisions:
    """The choice for each precision that `ruxi compress` knows.

    Args:
        precision: Its name.
        model: The language model.
    """
    if precision == "fp32":
        return Precisions()
    if precision == "int8":
        return Precisions(_EIGHT, _EIGHT, _EIGHT, _EIGHT)
    if precision == "int4":
        return Precisions(_FOUR, _EIGHT, _EIGHT, _EIGHT)
    fours: dict[str, Quantization | None] = {
        f"layers.{index}.{part}": _FOUR for index in range(model.layers) for part in ("attended", "down")
    }
    return Precisions(_EIGHT, _EIGHT, _EIGHT, _EIGHT, fours)
