"""Asking an OpenAI-compatible server for JSON, with every answer kept.

Answers are cached by the whole request and the server's address, one line each, so that an evaluation which is
resumed, repeated or compared pays for nothing twice.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from ruxi import files
from ruxi.dialogues.annotation.remote import check_url
from ruxi.errors import EngineError

_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_ATTEMPTS = 5
_LONGEST_WAIT = 60.0


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
        check_url(url, key)
        self.model = model
        self._url = url.rstrip("/")
        self._cache = cache
        self._sleep = sleep
        self._lock = threading.Lock()
        self._known = {} if cache is None else _read(cache)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=timeout, headers=headers, follow_redirects=False)
        self._formats = ["json_schema", "json_object", "text"]

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
        key = files.sha256_of_bytes(json.dumps([self._url, request], sort_keys=True, ensure_ascii=False).encode())
        with self._lock:
            known = self._known.get(key)
        if known is not None:
            return replace(known, cached=True)
        answer = self._ask(messages, schema, max_tokens)
        with self._lock:
            self._known[key] = answer
            if self._cache is not None:
                line = {"key": key, "model": self.model, **asdict(answer)}
                files.append_line(self._cache, json.dumps(line, ensure_ascii=False))
        return answer

    def _ask(self, messages: list[dict[str, Any]], schema: Mapping[str, Any], max_tokens: int) -> ChatAnswer:
        while True:
            way = self._formats[0]
            body = {"model": self.model, "messages": messages, "temperature": 0, "seed": 0, "max_tokens": max_tokens}
            if way == "json_schema":
                wanted = {"name": "answer", "strict": True, "schema": schema}
                body["response_format"] = {"type": "json_schema", "json_schema": wanted}
            elif way == "json_object":
                body["response_format"] = {"type": "json_object"}
            response = self._send(body)
            if response.status_code in (400, 404, 415, 422) and way != "text":
                # The server does not know this way of asking for JSON.
                self._formats = [later for later in self._formats if later != way] or ["text"]
                continue
            if response.status_code != 200:
                raise EngineError(
                    f"the server answers {response.status_code}: {response.text[:200]!r}",
                    where=self._url,
                    remedy="Check the URL, the model's name and the key.",
                )
            return _answer_in(response, self._url)

    def _send(self, body: Mapping[str, Any]) -> httpx.Response:
        problem = ""
        for attempt in range(_ATTEMPTS):
            wait = min(_LONGEST_WAIT, 2.0**attempt) * random.uniform(0.75, 1.25)
            try:
                response = self._client.post(f"{self._url}/chat/completions", json=body)
                if response.status_code not in _RETRIED:
                    return response
                problem = f"it answers {response.status_code}"
                wait = _asked_wait(response) or wait
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            if attempt + 1 < _ATTEMPTS:
                self._sleep(wait)
        raise EngineError(
            f"no answer after {_ATTEMPTS} attempts ({problem})",
            where=self._url,
            remedy="Start the same command again later; what was answered is kept.",
        )


def _read(path: Path) -> dict[str, ChatAnswer]:
    """Answers that were kept; a line that a kill cut short is taken away."""
    known = {}
    if path.is_file():
        *lines, rest = path.read_bytes().split(b"\n")
        if rest:
            files.write_bytes(path, b"".join(line + b"\n" for line in lines))
        for line in lines:
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


def _asked_wait(response: httpx.Response) -> float | None:
    try:
        return min(_LONGEST_WAIT, max(0.0, float(response.headers["retry-after"])))
    except (KeyError, ValueError):
        return None
