"""The engine for models elsewhere: any server of the OpenAI API.

The server has the tokenizer, the chat template and the dice; it gets the prompt's messages. Tokens are counted here
only to know when the history is too long, so they may be another model's. Pictures and sounds are sent where the server
takes them, and told in words where not. What the character must not say is watched here, as in every engine.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from ruxi import weights
from ruxi.endpoint import ChatEndpoint, Refusal
from ruxi.errors import EngineError, UsageError, WeightsError
from ruxi.prompt import ChatFormat, Prompt, PromptBuilder
from ruxi.runtime.loading import DEFAULT_MODEL, Dtype
from ruxi.runtime.protocol import Delta, FinishReason, Media, Sampling, room_for_reply
from ruxi.runtime.remote_request import Manner, ReadMedium, ShownMedia, request, response_format
from ruxi.runtime.remote_scores import marked_scores, written
from ruxi.runtime.streaming import StopStrings

_RECOGNISERS = {"image": "efficientnet-lite0", "audio": "whisper-base", "video": "video"}
"""What looks and listens here, for servers that cannot."""
_CONTEXT = 4096
"""What a server is taken to read when it does not say."""
_LONGEST_CONTEXT = 16_384
"""More than any chat needs; a hosted model is paid by what it reads."""
_BYTES_A_TOKEN = 3
_ATTEMPTS = 3


class RemoteEngine:
    """Speaks with a model behind a URL.

    Args:
        url: Base URL of the server, for example `http://localhost:8080/v1`.
        model: Name of the model on that server.
        key: API key, if the server wants one.
        context_length: Longest prompt with reply, in tokens.
        tokenizer: Counts tokens; by default the pinned language model's, or bytes where that is not installed.
        chat_format: How the server's model marks who speaks; only `log_likelihood` needs it.
        send_media: Whether pictures and sounds are sent; otherwise they are told in words.
        timeout: Seconds to wait for the first and for each further piece of a reply.
        sleep: Waits between attempts; tests hand in one that does not.

    Raises:
        UsageError: The URL cannot be used, or the key would travel unencrypted.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None = None,
        context_length: int = _CONTEXT,
        tokenizer: Tokenizer | None = None,
        chat_format: ChatFormat | None = None,
        send_media: bool = True,
        timeout: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = model
        self.url = url.rstrip("/")
        self._endpoint = ChatEndpoint(
            url, model, key=key, timeout=timeout, sleep=sleep, attempts=_ATTEMPTS, error=EngineError
        )
        tokenizer = tokenizer or _pinned_tokenizer()
        self.context_length = context_length if tokenizer else context_length * _BYTES_A_TOKEN
        self.prompts = PromptBuilder(
            tokenizer or _bytes(), chat_format or ChatFormat.chatml(), context_length=self.context_length
        )
        self._chat_format = chat_format
        self._manner = _Learnt(Manner() if send_media else Manner(kinds=frozenset()))
        self._media: ShownMedia | None = None

    def extractor_names(self) -> Mapping[str, str]:
        """What recognises each kind of medium here, see `Engine`."""
        return _RECOGNISERS

    def with_media(self, read: ReadMedium) -> Self:
        """The same engine for a chat whose media can be read, see `SeesMedia`."""
        engine = copy.copy(self)
        engine._media = ShownMedia(read)
        return engine

    def generate(self, prompt: Prompt, media: Media, sampling: Sampling) -> Generator[Delta, None, None]:
        """Speak a reply, see `Engine`; closing the generator closes the connection.

        `no_repeat_ngram` cannot be asked of a server, and its `repetition_penalty` counts the user's words too.
        """
        room_for_reply(len(prompt.input_ids), self.context_length, where=self.url)
        response_format(sampling.constraint)
        return self._speak(prompt, sampling)

    def _speak(self, prompt: Prompt, sampling: Sampling) -> Generator[Delta, None, None]:
        text = StopStrings((*prompt.stop, *sampling.stop))
        finish: FinishReason | None = None
        read: int | None = None
        spoken = 0
        with closing(self._events(prompt, sampling)) as events:
            for event in events:
                usage = event.get("usage")
                if isinstance(usage, dict):
                    read, spoken = usage.get("prompt_tokens") or read, usage.get("completion_tokens") or spoken
                words, reason = _said(event)
                if reason is not None:
                    finish = "length" if reason == "length" else "stop"
                if words:
                    spoken += not isinstance(usage, dict)
                    yield Delta(text.push(words), prompt_tokens=read, completion_tokens=spoken)
                    if text.stopped:
                        finish = "stop"
                        break
        if finish is None:
            raise EngineError("the answer broke off before its end", where=self.url, remedy="Ask again.")
        yield Delta(
            text.flush(),
            finish_reason=finish,
            emotion=prompt.emotion,
            prompt_tokens=read,
            completion_tokens=spoken,
        )

    def _events(self, prompt: Prompt, sampling: Sampling) -> Generator[dict[str, Any], None, None]:
        """The server's events, asked for in the manner that it takes."""
        manner = self._manner.value
        while True:
            body = request(self.name, prompt, sampling, manner, self._media)
            with closing(self._endpoint.stream("/chat/completions", body)) as events:
                begun = False
                try:
                    for event in events:
                        if not begun:
                            self._manner.value = manner
                            begun = True
                        yield event
                    return
                except Refusal as refusal:
                    other = None if begun else manner.after(refusal, body)
                    if other is None:
                        raise self._endpoint.refused(refusal) from None
                    manner = other

    def log_likelihood(self, prompts: Sequence[Prompt], media: Media) -> list[npt.NDArray[np.float32]]:
        """Natural log-probability of each marked token, in the tokens of the server's model, see `Engine`.

        It needs a server that repeats a text with its probabilities (`/completions` with `echo` and `logprobs`, as
        vLLM has), and `chat_format`.

        Raises:
            EngineError: The server does not give them, or the chat format is not known.
        """
        if self._chat_format is None:
            raise EngineError(
                "replies cannot be scored without the chat format of the server's model",
                where=self.url,
                remedy="Open it with RemoteEngine(..., chat_format=...), or measure what is generated.",
            )
        found = []
        for prompt in prompts:
            text, spans = written(prompt, self._chat_format)
            body = {"model": self.name, "prompt": text, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
            try:
                answer = self._endpoint.ask("/completions", body)
            except Refusal as refusal:
                raise self._endpoint.refused(refusal) from None
            found.append(marked_scores(answer, text, spans, self.url))
        return found


class _Learnt:
    """What was learnt about a server, shared by the engines of all its chats."""

    def __init__(self, value: Manner) -> None:
        self.value = value


def open_remote(
    name: str, *, dtype: Dtype = "auto", threads: int | None = None, url: str | None = None
) -> RemoteEngine:
    """Open a model on a server, see `ruxi.runtime.load`.

    The key is taken from `OPENAI_API_KEY`, the address from `OPENAI_BASE_URL` unless it is given.

    Args:
        name: Its name there; the default model's name takes the first that the server lists.
        dtype: Must be `auto`: the server has chosen.
        threads: Must be None, likewise.
        url: Base URL of the server.

    Raises:
        UsageError: No address is given, or it cannot be used.
        EngineError: The server does not answer.
    """
    url = url or os.environ.get("OPENAI_BASE_URL")
    if not url:
        raise UsageError(
            "no server is named", where="engine", remedy="Give its URL as the engine, or set OPENAI_BASE_URL."
        )
    if dtype != "auto" or threads is not None:
        raise UsageError("precision and threads are the server's to choose", where="engine", remedy="Leave them out.")
    key = os.environ.get("OPENAI_API_KEY") or None
    endpoint = ChatEndpoint(url, name, key=key, timeout=30.0, attempts=_ATTEMPTS, error=EngineError)
    listed = _listed(endpoint)
    if name == DEFAULT_MODEL and name not in listed:
        if not listed:
            raise UsageError("the server does not list its models", where=url, remedy="Name one with --model.")
        name = next(iter(listed))
    return RemoteEngine(url, name, key=key, context_length=_context_of(listed.get(name, {})))


def _listed(endpoint: ChatEndpoint) -> dict[str, Mapping[str, Any]]:
    """The models that a server says it has, by name; none when it does not say."""
    try:
        found = endpoint.ask("/models")
    except Refusal as refusal:
        if refusal.status in (401, 403):
            raise endpoint.refused(refusal) from None
        return {}
    entries = found.get("data") if isinstance(found, dict) else None
    return {
        entry["id"]: entry
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    }


def _context_of(entry: Mapping[str, Any]) -> int:
    """What a model reads, as vLLM, hosts of many models, and llama.cpp say it."""
    meta = entry.get("meta")
    known = (
        entry.get("max_model_len"),
        entry.get("context_length"),
        meta.get("n_ctx") if isinstance(meta, dict) else 0,
    )
    length = next((value for value in known if isinstance(value, int) and value > 0), _CONTEXT)
    return min(length, _LONGEST_CONTEXT)


def _said(event: Mapping[str, Any]) -> tuple[str, str | None]:
    """Words and reason of the end in an event; servers that do not stream give a whole message."""
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("delta") or choice.get("message") or {}
    words = message.get("content") if isinstance(message, dict) else None
    return (words if isinstance(words, str) else ""), choice.get("finish_reason")


def _pinned_tokenizer() -> Tokenizer | None:
    try:
        return Tokenizer.from_file(str(weights.require("smollm2-135m-instruct") / "hf" / "tokenizer.json"))
    except WeightsError:
        return None


def _bytes() -> Tokenizer:
    """A tokenizer that counts bytes, for machines without any pretrained part."""
    alphabet = {letter: index for index, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
