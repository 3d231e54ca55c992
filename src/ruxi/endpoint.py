"""Asking a server that speaks the OpenAI API for JSON, with retries.

The server is asked for answers that fit a JSON schema; one that does not know schemas is asked for JSON, one that does
not know that either for plain text. What the answer holds is the caller's to read.
"""

from __future__ import annotations

import ipaddress
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ruxi.errors import RuxiError, UsageError

if TYPE_CHECKING:
    import httpx

_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_FORMAT_REFUSED = frozenset({400, 404, 415, 422})
_ATTEMPTS = 5
_LONGEST_WAIT = 60.0


class ChatEndpoint:
    """The chat completions of one server.

    Args:
        url: Base URL, for example `http://localhost:8000/v1`.
        model: Name of the model.
        key: API key, if the server wants one.
        timeout: Seconds to wait for an answer.
        sleep: Waits between attempts; tests hand in one that does not.
        error: Kind of error to raise when the server cannot be reached or refuses.

    Raises:
        UsageError: The URL cannot be used, or the key would travel unencrypted.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None,
        timeout: float,
        sleep: Callable[[float], None] = time.sleep,
        error: type[RuxiError],
    ) -> None:
        import httpx

        check_url(url, key)
        self.url = url.rstrip("/")
        self.model = model
        self._sleep = sleep
        self._error = error
        self._formats: Sequence[str] = ("json_schema", "json_object", "text")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=timeout, headers=headers, follow_redirects=False)

    def complete(
        self, messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any], *, name: str, **settings: Any
    ) -> httpx.Response:
        """Ask for JSON that fits a schema; safe to call from several threads.

        Args:
            messages: The conversation.
            schema: JSON schema of the answer.
            name: What the schema is called.
            settings: Further fields of the request, for example `max_tokens`.

        Returns:
            A response with status 200.

        Raises:
            RuxiError: Of the kind given, when there is no answer after several attempts, or a refusal.
        """
        while True:
            way = self._formats[0]
            body: dict[str, Any] = {"model": self.model, "messages": messages, "temperature": 0, **settings}
            if way == "json_schema":
                wanted = {"name": name, "strict": True, "schema": schema}
                body["response_format"] = {"type": "json_schema", "json_schema": wanted}
            elif way == "json_object":
                body["response_format"] = {"type": "json_object"}
            response = self._send(body)
            if response.status_code in _FORMAT_REFUSED and way != "text":
                # The server does not know this way of asking for JSON.
                self._formats = [later for later in self._formats if later != way]
                continue
            if response.status_code != 200:
                raise self._error(
                    f"the server answers {response.status_code}: {response.text[:200]!r}",
                    where=self.url,
                    remedy="Check the URL, the model's name and the key.",
                )
            return response

    def _send(self, body: Mapping[str, Any]) -> httpx.Response:
        import httpx

        problem = ""
        for attempt in range(_ATTEMPTS):
            wait = min(_LONGEST_WAIT, 2.0**attempt) * random.uniform(0.75, 1.25)
            try:
                response = self._client.post(f"{self.url}/chat/completions", json=body)
                if response.status_code not in _RETRIED:
                    return response
                problem = f"it answers {response.status_code}"
                wait = _asked_wait(response) or wait
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            if attempt + 1 < _ATTEMPTS:
                self._sleep(wait)
        raise self._error(
            f"no answer after {_ATTEMPTS} attempts ({problem})",
            where=self.url,
            remedy="Start the same command again later; what was answered is kept.",
        )


def check_url(url: str, key: str | None) -> None:
    """Refuse an address that cannot be used, or over which a key would travel unencrypted.

    Raises:
        UsageError: It is refused.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is no http address", remedy="Give a base URL such as https://host/v1.")
    if parts.username or parts.password:
        raise UsageError("the URL holds a password", remedy="Give the key by its environment variable.")
    if key and parts.scheme == "http" and not _is_local(parts.hostname):
        raise UsageError(
            f"the key would travel unencrypted to {parts.hostname}", remedy="Use https, or a server on this machine."
        )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _asked_wait(response: httpx.Response) -> float | None:
    try:
        return min(_LONGEST_WAIT, max(0.0, float(response.headers["retry-after"])))
    except (KeyError, ValueError):
        return None
