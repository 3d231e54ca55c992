"""What a prompt and its settings are to a server of the OpenAI API, and what to leave out when it refuses.

Servers differ in what they take: fields, roles, pictures, sounds. The first request asks for everything; a refusal says
what this server does not know, and the next request does without. No list of servers has to be kept that way.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ruxi.endpoint import Refusal
from ruxi.errors import EngineError, MediaError
from ruxi.media import open_audio, open_image
from ruxi.media.encoding import as_jpeg, as_wav, data_url
from ruxi.prompt import MediaSlot, Message, MessagePart, Prompt
from ruxi.runtime.constraints import Constraint
from ruxi.runtime.protocol import Sampling

_log = logging.getLogger("ruxi")

ReadMedium = Callable[[str], bytes]
Wire = dict[str, Any]

_LONGEST_SIDE = 1024
"""Pixels of a picture that is sent; what vision models are commonly given at most."""
_MOST_STOPS = 4
"""OpenAI's limit; the engine ends the reply at the others itself."""
_PART_OF_KIND = {"image": "image_url", "audio": "input_audio"}
_FIELDS = (
    "top_k", "min_p", "repetition_penalty", "repeat_penalty", "presence_penalty", "frequency_penalty", "logit_bias",
    "stream_options", "top_p", "temperature", "seed", "stop",
)  # fmt: skip
"""What a server may do without; never the form of the reply."""
_ROLES = re.compile(r"\brole|\bsystem\b|alternat|chat.?template", re.IGNORECASE)


@dataclass(frozen=True)
class Manner:
    """How a server wants to be asked, as far as it has told.

    Attributes:
        kinds: Kinds of media that are sent as parts; others are told in words.
        without: Fields that it does not know.
        length_field: How it calls the longest reply.
        plain_roles: Whether it wants user and assistant in turns and nobody else.
    """

    kinds: frozenset[str] = frozenset(_PART_OF_KIND)
    without: frozenset[str] = frozenset()
    length_field: str = "max_tokens"
    plain_roles: bool = False

    def after(self, refusal: Refusal, body: Mapping[str, Any]) -> Manner | None:
        """How to ask instead; None when the refusal is about something else.

        Args:
            refusal: What the server said.
            body: What it was asked.
        """
        if refusal.status in (401, 402, 403, 429):
            return None
        text = refusal.text
        if "max_completion_tokens" in text and "max_tokens" in body:
            return replace(self, length_field="max_completion_tokens")
        for name in _FIELDS:
            if name in body and _names(text, name):
                return replace(self, without=self.without | {name})
        written = json.dumps(body["messages"])
        sent = [kind for kind, part in _PART_OF_KIND.items() if f'"type": "{part}"' in written]
        for kind in sorted(sent, key=lambda kind: kind not in text.lower() and _PART_OF_KIND[kind] not in text):
            return replace(self, kinds=self.kinds - {kind})
        if not self.plain_roles and _ROLES.search(text):
            return replace(self, plain_roles=True)
        return None


class ShownMedia:
    """The media of a chat in the form that they are sent in, each made once.

    Args:
        read: Gives a medium's bytes by their SHA-256.
    """

    def __init__(self, read: ReadMedium) -> None:
        self._read = read
        self._parts: dict[str, Wire | None] = {}

    def part(self, slot: MediaSlot) -> Wire | None:
        """The part that shows a medium; None when it is gone, so that words have to do."""
        if slot.media not in self._parts:
            try:
                self._parts[slot.media] = self._made(slot)
            except MediaError as error:
                _log.warning("%s", error)
                self._parts[slot.media] = None
        return self._parts[slot.media]

    def _made(self, slot: MediaSlot) -> Wire:
        data = self._read(slot.media)
        if slot.kind == "image":
            url = data_url(as_jpeg(open_image(data).pixels, side=_LONGEST_SIDE), "image/jpeg")
            return {"type": "image_url", "image_url": {"url": url}}
        sound = open_audio(data)
        encoded = base64.b64encode(as_wav(sound.samples, sound.rate)).decode()
        return {"type": "input_audio", "input_audio": {"data": encoded, "format": "wav"}}


def request(model: str, prompt: Prompt, sampling: Sampling, manner: Manner, media: ShownMedia | None) -> Wire:
    """The body of a request for a reply.

    Raises:
        EngineError: See `response_format`.
    """
    messages = [_message(message, manner, media) for message in prompt.messages]
    fields: Wire = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p if sampling.top_p < 1 else None,
        "top_k": sampling.top_k or None,
        "min_p": sampling.min_p or None,
        # One meaning, two names: the first is vLLM's, the second llama.cpp's.
        "repetition_penalty": sampling.repetition_penalty if sampling.repetition_penalty != 1 else None,
        "repeat_penalty": sampling.repetition_penalty if sampling.repetition_penalty != 1 else None,
        "presence_penalty": sampling.presence_penalty or None,
        "frequency_penalty": sampling.frequency_penalty or None,
        "logit_bias": {str(token): bias for token, bias in sampling.logit_bias.items()} or None,
        "seed": sampling.seed,
        "stop": list(dict.fromkeys((*prompt.stop, *sampling.stop)))[:_MOST_STOPS] or None,
        "stream_options": {"include_usage": True},
    }
    body: Wire = {
        "model": model,
        "messages": _plain(messages) if manner.plain_roles else messages,
        manner.length_field: sampling.max_tokens,
        **{name: value for name, value in fields.items() if value is not None and name not in manner.without},
    }
    form = response_format(sampling.constraint)
    if form is not None:
        body["response_format"] = form
    return body


def response_format(constraint: Constraint | None) -> Wire | None:
    """How a server is asked for a form.

    Raises:
        EngineError: The form cannot be asked of a server.
    """
    if constraint is None:
        return None
    if constraint.kind != "json_schema":
        raise EngineError(
            "a server can be asked for JSON only, not for a regular expression or a grammar",
            where="constraint",
            remedy="Give a JSON schema, or use a local engine.",
        )
    schema = {"name": "reply", "strict": True, "schema": json.loads(constraint.text)}
    return {"type": "json_schema", "json_schema": schema}


def _message(message: Message, manner: Manner, media: ShownMedia | None) -> Wire:
    """A message with its media as parts, as far as the server takes them; in words otherwise."""
    content: list[Wire] = []
    for words, shown in _sent(message.parts, manner, media):
        if shown is not None:
            content.append(shown)
        elif content and content[-1]["type"] == "text":
            content[-1]["text"] += f"\n{words}"
        else:
            content.append({"type": "text", "text": words})
    if all(part["type"] == "text" for part in content):
        return {"role": message.role, "content": message.text}
    if message.name is not None:
        content.insert(0, {"type": "text", "text": f"{message.name}:"})
    return {"role": message.role, "content": content}


def _sent(parts: Sequence[MessagePart], manner: Manner, media: ShownMedia | None) -> Iterator[tuple[str, Wire | None]]:
    for part in parts:
        slot = part.slot
        yield part.text, media.part(slot) if media and slot and slot.kind in manner.kinds else None


def _plain(messages: Sequence[Wire]) -> list[Wire]:
    """User and assistant in turns: the system's words are the user's, and who speaks twice speaks once, longer."""
    plain: list[Wire] = []
    for message in messages:
        role = "user" if message["role"] == "system" else message["role"]
        if plain and plain[-1]["role"] == role:
            plain[-1] = {"role": role, "content": _joined(plain[-1]["content"], message["content"])}
        else:
            plain.append({"role": role, "content": message["content"]})
    return plain


def _joined(first: str | list[Wire], second: str | list[Wire]) -> str | list[Wire]:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [
        part for one in (first, second) for part in ([{"type": "text", "text": one}] if isinstance(one, str) else one)
    ]


def _names(text: str, field: str) -> bool:
    """Whether a refusal names a field; words that also stand in ordinary sentences count in quotes only."""
    quoted = rf"['\"`]{field}['\"`]"
    return re.search(rf"\b{field}\b" if "_" in field else quoted, text) is not None
