"""Tiny random language models, saved as people have them, with the small tokenizer."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.scripted import small_tokenizer

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def save_llama(folder: Path, *, talkative: bool = False, width: int = 32) -> Path:
    """Save a Llama of 4 layers that says random words.

    Args:
        folder: Where to.
        talkative: Never ends a reply by itself.
        width: Of its hidden states; its four heads share it.
    """
    tokenizer = small_tokenizer()
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        initializer_range=0.3,
    )
    model = LlamaForCausalLM(config)
    if talkative:
        # Far below the likeliest token, so that sampling always cuts them.
        special = sorted(i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special)
        model.lm_head.weight.data[special] = 0.0
    model.save_pretrained(folder)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>")
    wrapped.chat_template = CHATML
    wrapped.save_pretrained(folder)
    return folder
