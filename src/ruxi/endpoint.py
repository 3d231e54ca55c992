"""Asking a server that speaks the OpenAI API, with retries: for JSON as a whole, or for words as they are made.

For JSON the server is asked for answers that fit a schema; one that does not know schemas is asked for JSON, one that
does not know that either for plain text. What an answer holds is the caller's to read. A key never stands in a message,
even if the server repeats it.
"""

from __future__ import annotations

import ipaddress
import json
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ruxi.errors import RuxiError, UsageError
from ruxi.files import json_object

if TYPE_CHECKING:
    import httpx

_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_FORMAT_REFUSED = frozenset({400, 404, 415, 422})
_LONGEST_WAIT = 60.0
_CONNECT = 10.0
"""Seconds to wait for a connection: a server that is there answers at once, however long it thinks afterwards."""


class Refusal(Exception):  # noqa: N818 - it is not always an error: the caller may ask otherwise
    """A server answered, but not with what was asked for.

    Attributes:
        status: HTTP status.
        text: What it said, without the key; at most 500 characters.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"the server answers {status}: {text[:200]!r}")
        self.status = status
        self.text = text


class ChatEndpoint:
    """The completions of one server.

    Args:
        url: Base URL, for example `http://localhost:8000/v1`.
        model: Name of the model.
        key: API key, if the server wants one.
        timeout: Seconds to wait for an answer; for the next piece of one that is streamed.
        sleep: Waits between attempts; tests hand in one that does not.
        attempts: How often a server that does not answer, or is busy, is asked.
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
        attempts: int = 5,
        error: type[RuxiError],
    ) -> None:
        import httpx

        check_url(url, key)
        self.url = url.rstrip("/")
        self.model = model
        self._sleep = sleep
        self._attempts = attempts
        self._error = error
        self._key = key
        self._formats: Sequence[str] = ("json_schema", "json_object", "text")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        limits = httpx.Timeout(timeout, connect=min(_CONNECT, timeout))
        self._client = httpx.Client(timeout=limits, headers=headers, follow_redirects=False)

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
            response = self._send("POST", "/chat/completions", body)
            if response.status_code in _FORMAT_REFUSED and way != "text":
                # The server does not know this way of asking for JSON.
                self._formats = [later for later in self._formats if later != way]
                continue
            if response.status_code != 200:
                raise self.refused(self._refusal(response))
            return response

    def stream(self, path: str, body: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
        """Ask for an answer in pieces; closing the generator closes the connection, at which servers stop.

        What fails before the first piece is tried again; later it would repeat what was shown already.

        Args:
            path: What to ask, after the base URL, for example `/chat/completions`.
            body: The request; `stream` is set here.

        Yields:
            The server's events (server-sent events, WHATWG); a server that does not stream gives a single one.

        Raises:
            Refusal: The server does not take the request.
            RuxiError: Of the kind given, when there is no answer, or it breaks off.
        """
        import httpx

        events: Iterator[dict[str, Any]] = iter(())

        def open_stream() -> httpx.Response:
            nonlocal events
            request = self._client.build_request("POST", f"{self.url}{path}", json={**body, "stream": True})
            response = self._client.send(request, stream=True)
            try:
                if response.status_code != 200:
                    response.read()
                    return response
                rest = _events(response)
                first = next(rest, None)
                if first is None:
                    raise httpx.RemoteProtocolError("an empty answer")
            except BaseException:
                response.close()
                raise
            events = chain([first], rest)
            return response

        response = self._retrying(open_stream)
        try:
            if response.status_code != 200:
                raise self._refusal(response)
            for event in events:
                if problem := event.get("error"):
                    raise Refusal(response.status_code, self._hidden(json.dumps(problem, ensure_ascii=False)))
                yield event
        except httpx.RequestError as error:
            raise self._error(
                f"the answer broke off ({_reason(error)})", where=self.url, remedy="Ask again."
            ) from error
        finally:
            response.close()

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask for one JSON object.

        Args:
            path: What to ask, after the base URL.
            body: The request; None for one without (`GET`).

        Raises:
            Refusal: The server does not know the path, does not take the request, or its answer is no JSON.
            RuxiError: Of the kind given, when there is no answer.
        """
        response = self._send("GET" if body is None else "POST", path, body)
        try:
            found = response.json() if response.status_code == 200 else None
        except ValueError:
            found = None
        if found is None:
            raise self._refusal(response)
        return found

    def refused(self, refusal: Refusal) -> RuxiError:
        """The error for a refusal after which there is nothing else to try."""
        return self._error(str(refusal), where=self.url, remedy="Check the URL, the model's name and the key.")

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        return self._retrying(lambda: self._client.request(method, f"{self.url}{path}", json=body))

    def _retrying(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        import httpx

        problem = ""
        for attempt in range(self._attempts):
            wait = min(_LONGEST_WAIT, 2.0**attempt) * random.uniform(0.75, 1.25)
            try:
                response = ask()
                if response.status_code not in _RETRIED or _cannot(response):
                    return response
                problem = f"it answers {response.status_code}"
                wait = _asked_wait(response) or wait
            except httpx.RequestError as error:
                problem = _reason(error)
            if attempt + 1 < self._attempts:
                self._sleep(wait)
        raise self._error(
            f"no answer after {self._attempts} attempts ({problem})",
            where=self.url,
            remedy="Check that the server runs, and start the same command again; what was answered is kept.",
        )

    def _refusal(self, response: httpx.Response) -> Refusal:
        return Refusal(response.status_code, self._hidden(response.text))

    def _hidden(self, text: str) -> str:
        return (text.replace(self._key, "[key]") if self._key else text)[:500]


def check_url(url: str, key: str | None) -> None:
    """Refuse an address that cannot be used, or over which a key would travel unencrypted.

    Raises:
        UsageError: It is refused.
    """
    parts = urlsplit(url)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or too large
        usable = False
    if not usable or parts.hostname is None:
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


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON objects of an answer: those of its `data:` lines, or the answer itself when it is no stream."""
    if "event-stream" not in response.headers.get("content-type", ""):
        response.read()
        found = json_object(response.text)
        if found is not None:
            yield found
        return
    for line in response.iter_lines():
        field, _, data = line.partition(":")
        if field == "data" and data.strip() == "[DONE]":
            return
        if field == "data" and (event := json_object(data)) is not None:
            yield event


def object_in(text: str) -> dict[str, Any] | None:
    """The JSON object in an answer, also inside a code fence or behind a model's thoughts; None without one."""
    return json_object(text[text.find("{") : text.rfind("}") + 1])


def _cannot(response: httpx.Response) -> bool:
    """Whether a fault of the server is one that stays: llama.cpp answers 500 to what its model cannot take."""
    return response.status_code == 500 and "not supported" in response.text


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _asked_wait(response: httpx.Response) -> float | None:
    try:
        return min(_LONGEST_WAIT, max(0.0, float(response.headers["retry-after"])))
    except (KeyError, ValueError):
        return None
