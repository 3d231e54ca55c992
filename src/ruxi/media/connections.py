"""Connections to addresses that were checked, under one deadline: the network layer below `ruxi.media.fetch`."""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpcore

from ruxi.errors import MediaError
from ruxi.media.addresses import Network, is_disguised, is_public, parse_address
from ruxi.media.limits import Limits


class PinnedBackend(httpcore.NetworkBackend):
    """Resolves a name once, refuses private addresses, and connects to the addresses that it checked.

    Args:
        limits: Which hosts may be private.
        network: The resolver.
        deadline: When everything must be done, on `time.monotonic`'s clock.
        where: The web address for messages.
    """

    def __init__(self, limits: Limits, network: Network, deadline: float, where: str) -> None:
        self._limits = limits
        self._network = network
        self._deadline = deadline
        self._where = where
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first checked address that answers."""
        failure: Exception = OSError("the name has no address")
        for address in self._checked(host, port):
            try:
                stream = self._sockets.connect_tcp(address, port, _left(self._deadline), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream, self._deadline)
        raise failure

    def _checked(self, host: str, port: int) -> list[str]:
        if is_disguised(host):
            raise MediaError(
                f"the host {host!r} is a number in disguise", where=self._where, remedy="Write the address as a.b.c.d."
            )
        literal = parse_address(host)
        addresses = [host] if literal else _within(_left(self._deadline), lambda: self._network.resolve(host, port))
        if self._limits.allow_private_hosts or host in map(str.lower, self._limits.private_hosts):
            return list(addresses)
        for text in addresses:
            address = parse_address(text)
            if address is None or not is_public(address):
                name = text if literal else f"the host {host!r} ({text})"
                raise MediaError(
                    f"{name} is not on the public internet",
                    where=self._where,
                    remedy="Give a public address, or name the host in the limit `private_hosts`.",
                )
        return list(addresses)


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every step ends at the same deadline: a server that drips bytes cannot hold it open."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout
    return seconds


def _within(seconds: float, work: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Run what has no time limit of its own (the system's resolver) and stop waiting for it in time."""
    answers: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(work())
        except Exception as error:
            answers.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise httpcore.ConnectTimeout from None
    if isinstance(answer, Exception):
        raise answer
    return answer
