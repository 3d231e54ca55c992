"""How a language model marks who speaks, read once from its chat template and stored with the adapter.

A Jinja template can only render whole conversations. Ruxi needs to know which token belongs to which turn, and its
fast engine runs without Jinja, so the template is probed with marker texts and reduced to plain strings: what stands
before and after the words of each role.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict

from ruxi.errors import ModelError

Renderer = Callable[[Sequence[Mapping[str, str]], bool], str]
"""Renders `(messages, add_generation_prompt)`, as a Hugging Face tokenizer's chat template does."""

_SYSTEM, _USER, _ASSISTANT, _LAST = "\u2460sys", "\u2461usr", "\u2462ast", "\u2463usr"


class ChatFormat(BaseModel):
    """The strings around the words of each role.

    Attributes:
        start: Text at the very beginning, for example the begin-of-sequence token.
        system: Before and after the system's words; None when the model knows no such role, in which case the
            persona is put in front of the first user turn.
        user: Before and after the user's words.
        assistant: Before and after the character's words; what follows them begins with the end-of-turn token.
    """

    model_config = ConfigDict(frozen=True)

    start: str = ""
    system: tuple[str, str] | None
    user: tuple[str, str]
    assistant: tuple[str, str]

    @classmethod
    def chatml(cls) -> Self:
        """The format of SmolLM2, Qwen and many others."""
        return cls(
            system=("<|im_start|>system\n", "<|im_end|>\n"),
            user=("<|im_start|>user\n", "<|im_end|>\n"),
            assistant=("<|im_start|>assistant\n", "<|im_end|>\n"),
        )

    @classmethod
    def plain(cls, end_of_turn: str) -> Self:
        """For base models without a chat template: a role name and a colon, as in a script.

        Args:
            end_of_turn: The model's end-of-sequence token.
        """
        return cls(system=("", "\n\n"), user=("User: ", "\n"), assistant=("Character: ", f"{end_of_turn}\n"))

    @classmethod
    def from_renderer(cls, render: Renderer) -> Self:
        """Probe a chat template.

        Args:
            render: The template, for example `lambda m, g: tokenizer.apply_chat_template(m, tokenize=False,
                add_generation_prompt=g)`.

        Raises:
            ModelError: The template drops or rewrites the words of a turn.
        """
        user, assistant, last = (
            _message("user", _USER),
            _message("assistant", _ASSISTANT),
            _message("user", _LAST),
        )
        history = [user, assistant, last]
        system = _message("system", _SYSTEM)
        with_system = _render_or_none(render, [system, *history])
        text = render(history, False) if with_system is None else with_system
        if any(text.count(marker) != 1 for marker in (_USER, _ASSISTANT, _LAST)):
            raise ModelError(
                "the chat template does not repeat the words of each turn once",
                remedy="Name another base model, or give the tokenizer a plainer template.",
            )
        before, rest = text.split(_USER)
        user_to_assistant, rest = rest.split(_ASSISTANT)
        assistant_to_user, user_footer = rest.split(_LAST)
        opened = render(history, True) if with_system is None else render([system, *history], True)
        opening = opened.split(_LAST)[1].removeprefix(user_footer)
        assistant_header = user_to_assistant.removeprefix(user_footer)
        if opening.startswith(assistant_header) or assistant_header.startswith(opening):
            assistant_header = opening
        closed = render([user, assistant] if with_system is None else [system, user, assistant], False)
        assistant_footer = _common_prefix(closed.split(_ASSISTANT)[1], assistant_to_user) or assistant_to_user
        user_header = assistant_to_user.removeprefix(assistant_footer)
        if with_system is None:
            start = before.removesuffix(user_header)
            return cls(
                start=start,
                system=None,
                user=(user_header, user_footer),
                assistant=(assistant_header, assistant_footer),
            )
        start_and_system, system_to_user = before.split(_SYSTEM)
        return cls(
            system=(start_and_system, system_to_user.removesuffix(user_header)),
            user=(user_header, user_footer),
            assistant=(assistant_header, assistant_footer),
        )

    @property
    def end_of_turn(self) -> str:
        """The marker that closes the character's turn, without the white space after it."""
        return self.assistant[1].strip()


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _render_or_none(render: Renderer, messages: Sequence[Mapping[str, str]]) -> str | None:
    """Templates of models without a system role raise, leave it out, or put it inside the user's turn."""
    try:
        text = render(messages, False)
    except Exception:  # templates raise whatever their Jinja `raise_exception` is bound to
        return None
    if text.count(_SYSTEM) != 1:
        return None
    between = text.split(_SYSTEM)[1].split(_USER)[0]
    return text if between.strip() else None


def _common_prefix(one: str, other: str) -> str:
    length = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:length]
