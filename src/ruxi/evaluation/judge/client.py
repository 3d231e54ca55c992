"""Asking an OpenAI-compatible server for JSON, with every answer kept.

Answers are cached by the whole request and the server's address, one line each, so that an evaluation which is
resumed, repeated or compared pays for nothing twice.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruxi import files
from ruxi.endpoint import ChatEndpoint
from ruxi.errors import EngineError

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class ChatAnswer:
    """What the server said.

    Attributes:
        text: Its words.
        prompt_tokens: Tokens that were read, as the server counts them.
        completion_tokens: Tokens that were written.
        cached: Whether it was asked before.
    """

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: bool = False


class ChatClient:
    """A server's chat completions.

    Args:
        url: Base URL, for example `http://localhost:8080/v1`.
        model: Name of the model.
        key: API key, if the server wants one.
        cache: File that keeps the answers; None keeps none.
        timeout: Seconds to wait for an answer.
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
        cache: Path | None = None,
        timeout: float = 300.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.model = model
        self._endpoint = ChatEndpoint(url, model, key=key, timeout=timeout, sleep=sleep, error=EngineError)
        self._cache = cache
        self._lock = threading.Lock()
        self._known = {} if cache is None else _read(cache)

    def ask(self, system: str, content: Any, schema: Mapping[str, Any], *, max_tokens: int = 600) -> ChatAnswer:
        """Ask for JSON that fits a schema.

        Args:
            system: Instructions.
            content: The user's message: text, or a list of parts.
            schema: JSON schema of the answer.
            max_tokens: Longest answer.

        Raises:
            EngineError: The server cannot be reached, or refuses.
        """
        messages = [{"role": "system", "content": system}, {"role": "user", "content": content}]
        request = {"messages": messages, "schema": schema, "max_tokens": max_tokens, "model": self.model}
        identity = json.dumps([self._endpoint.url, request], sort_keys=True, ensure_ascii=False)
        key = files.sha256_of_bytes(identity.encode())
        with self._lock:
            known = self._known.get(key)
        if known is not None:
            return replace(known, cached=True)
        response = self._endpoint.complete(messages, schema, name="answer", seed=0, max_tokens=max_tokens)
        answer = _answer_in(response, self._endpoint.url)
        with self._lock:
            self._known[key] = answer
            if self._cache is not None:
                line = {"key": key, "model": self.model, **asdict(answer)}
                files.append_line(self._cache, json.dumps(line, ensure_ascii=False))
        return answer


def _read(path: Path) -> dict[str, ChatAnswer]:
    """Answers that were kept; a line that a kill cut short is taken away."""
    known = {}
    for line in files.whole_lines(path):
        try:
            found = json.loads(line)
            known[found["key"]] = ChatAnswer(
                str(found["text"]), int(found["prompt_tokens"]), int(found["completion_tokens"])
            )
        except (ValueError, KeyError, TypeError):
            continue
    return known


def _answer_in(response: httpx.Response, where: str) -> ChatAnswer:
    try:
        found = response.json()
        text = found["choices"][0]["message"]["content"] or ""
        usage = found.get("usage") or {}
        return ChatAnswer(str(text), int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise EngineError(f"the server's answer is no chat completion: {response.text[:200]!r}", where=where) from error
