"""Chat formats read from templates of several families render what the templates render."""

from __future__ import annotations

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ruxi.errors import ModelError
from ruxi.prompt import ChatFormat

TEMPLATES = {
    "chatml": (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    "smollm2": (
        "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}<|im_start|>system\n"
        "You are a helpful AI assistant named SmolLM<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
        "{{ message['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    "llama3": (
        "<|begin|>{% for m in messages %}<|head|>{{ m.role }}<|/head|>\n\n{{ m.content | trim }}<|eot|>{% endfor %}"
        "{% if add_generation_prompt %}<|head|>assistant<|/head|>\n\n{% endif %}"
    ),
    "qwen3": (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif %}"
    ),
    "gemma": (
        "<bos>{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
        "{{ m.content }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
    ),
    "llama2": (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "{% for m in messages %}{% if m.role == 'user' %}<s>[INST] {{ m.content }} [/INST]"
        "{% else %} {{ m.content }} </s>{% endif %}{% endfor %}"
    ),
}


def renderer(template):
    def fail(message):
        raise ValueError(message)

    compiled = ImmutableSandboxedEnvironment().from_string(template)
    return lambda messages, opened: compiled.render(
        messages=messages, add_generation_prompt=opened, raise_exception=fail
    )


@pytest.mark.parametrize("family", TEMPLATES)
def test_the_format_renders_what_the_template_renders(family):
    render = renderer(TEMPLATES[family])
    form = ChatFormat.from_renderer(render)
    said = [("user", "Hi."), ("assistant", "Ho."), ("user", "Hm?")]
    messages = [{"role": role, "content": content} for role, content in said]
    ours = form.start
    if form.system:
        messages.insert(0, {"role": "system", "content": "Be brief."})
        ours += form.system[0] + "Be brief." + form.system[1]
    for role, content in said:
        before, after = form.user if role == "user" else form.assistant
        if family == "qwen3":  # the thinking block is for the reply to come alone
            before = before.removesuffix("<think>\n\n</think>\n\n")
        ours += before + content + after
    expected = render(messages, True)
    if family == "llama2":  # the space before a reply is not in its opening, so training leaves it out as well
        expected = expected.replace("[/INST]  Ho.", "[/INST]Ho.").replace("[/INST] Ho.", "[/INST]Ho.")
    assert ours + form.assistant[0] == expected
    assert ChatFormat.model_validate_json(form.model_dump_json()) == form


def test_end_of_turn_is_what_stops_a_reply():
    ends = {family: ChatFormat.from_renderer(renderer(t)).end_of_turn for family, t in TEMPLATES.items()}
    assert ends == {
        "chatml": "<|im_end|>",
        "smollm2": "<|im_end|>",
        "llama3": "<|eot|>",
        "qwen3": "<|im_end|>",
        "gemma": "<end_of_turn>",
        "llama2": "</s>",
    }


def test_a_template_that_rewrites_words_is_refused():
    with pytest.raises(ModelError, match="does not repeat the words"):
        ChatFormat.from_renderer(
            renderer("{% for m in messages %}{{ m.content | upper }}{{ m.content[0] }}{% endfor %}")
        )
