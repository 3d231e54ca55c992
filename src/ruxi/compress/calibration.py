"""What goes into each matrix of a language model when it reads: the second moments that calibrated rounding needs.

The model reads the characters that come with Ruxi: descriptions, greetings, example dialogues, about two thousand
tokens of the kind that it will meet. A matrix's moments are the sum of x x^T over its inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from ruxi.characters import Character, builtin_names
from ruxi.characters.macros import expand
from ruxi.model import RolePlayForCausalLM
from ruxi.model.base import decoder_layers

if TYPE_CHECKING:
    from ruxi.compress.export import Progress

Array = npt.NDArray[Any]

_TOKENS = 512
_MOST_BYTES = 4 * 2**30

_INPUTS = {
    "qkv": ("self_attn", "q_proj"),
    "attended": ("self_attn", "o_proj"),
    "gate_up": ("mlp", "gate_proj"),
    "down": ("mlp", "down_proj"),
}
"""The module whose input is that of each matrix."""


def second_moments(
    model: RolePlayForCausalLM, tokenizer: Tokenizer, progress: Progress | None = None
) -> dict[str, Array]:
    """Let a model read, and add up what each matrix of its decoder reads.

    Args:
        model: The model, in float32.
        tokenizer: Its tokenizer.
        progress: Told after each passage.

    Returns:
        `[in, in]` by the matrix's name, as in `layers.3.down` or `head`; empty for a model whose moments would not fit
        in memory.
    """
    config = model.language_model.config.get_text_config()
    layers = decoder_layers(model.language_model)
    if 4 * len(layers) * (3 * config.hidden_size**2 + config.intermediate_size**2) > _MOST_BYTES:
        return {}
    moments: dict[str, Tensor] = {}
    last: Any = model.language_model.get_decoder()
    handles = [last.norm.register_forward_hook(lambda module, inputs, output: _add(moments, "head", output))]
    for index, layer in enumerate(layers):
        for name, (part, module) in _INPUTS.items():
            watched: nn.Module = getattr(getattr(layer, part), module)
            full = f"layers.{index}.{name}"
            handles.append(
                watched.register_forward_pre_hook(lambda module, inputs, full=full: _add(moments, full, inputs[0]))
            )
    try:
        with torch.inference_mode():
            passages = _passages(tokenizer)
            for index, ids in enumerate(passages):
                model.decode(torch.tensor([ids], device=next(model.parameters()).device))
                if progress is not None:
                    progress("calibration", index + 1, len(passages))
    finally:
        for handle in handles:
            handle.remove()
    return {name: moment.cpu().numpy() for name, moment in moments.items()}


def _add(moments: dict[str, Tensor], name: str, states: Tensor) -> None:
    flat = states.flatten(0, -2).float()
    moments[name] = moments.get(name, 0) + flat.T @ flat


def _passages(tokenizer: Tokenizer) -> list[list[int]]:
    """The texts of the built-in characters, in pieces that one pass reads."""
    passages = []
    for name in builtin_names():
        card = Character.load(name)
        greetings = (card.first_mes, *card.alternate_greetings)
        text = "\n\n".join([card.description, card.personality, card.scenario, *greetings, card.mes_example])
        ids = tokenizer.encode(expand(text, char=card.name, user="User")).ids
        passages += [ids[at : at + _TOKENS] for at in range(0, len(ids), _TOKENS)]
    return passages
