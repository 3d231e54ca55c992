"""Media from the web, without lending a stranger our place in the network.

A host's name is resolved once a hop; every address is checked, and the connection goes to that very address while TLS
and the `Host` header keep the name, so a name that changes its address between check and use (DNS rebinding) gains
nothing. Redirects are followed here, hop by hop, under the same rules. One deadline covers everything. Proxies from
the environment are not used: a proxy would resolve names by itself.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ruxi.errors import MediaError
from ruxi.media.addresses import DEFAULT_NETWORK, Network
from ruxi.media.limits import Limits, check

if TYPE_CHECKING:
    import httpcore
    import httpx


def fetch(url: str, limits: Limits, network: Network = DEFAULT_NETWORK) -> bytes:
    """Download a medium.

    Args:
        url: Its https address; http where the limits allow it.
        limits: Size, time, redirects and allowed hosts.
        network: How names are resolved and certificates checked.

    Returns:
        The body as the server sent it.

    Raises:
        MediaError: The address is not allowed, the server fails, or a limit is passed.
    """
    import httpcore

    from ruxi.media.connections import PinnedBackend

    where = shown(url)
    if not limits.allow_urls:
        raise MediaError("web addresses are not fetched here", where=where, remedy="Send the medium as a data URL.")
    deadline = time.monotonic() + limits.download_seconds
    backend = PinnedBackend(limits, network, deadline, where)
    context = network.tls or _public_authorities()
    try:
        with httpcore.ConnectionPool(ssl_context=context, network_backend=backend, max_keepalive_connections=0) as pool:
            for _ in range(limits.redirects + 1):
                parsed = _parse(url, limits)
                body, redirect = _get(pool, parsed, limits, deadline, where)
                if redirect is None:
                    return body
                url = _joined(parsed, redirect, where)
    except (httpcore.TimeoutException, TimeoutError):
        raise MediaError(
            f"no complete answer within {limits.download_seconds:g} seconds",
            where=where,
            remedy="Try again, or raise the limit `download_seconds`.",
        ) from None
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MediaError(f"cannot be fetched ({reason})", where=where, remedy="Check the address.") from None
    raise MediaError(
        f"more than {limits.redirects} redirects", where=where, remedy="Give the address that they end at."
    )


def shown(url: str) -> str:
    """A web address for messages and logs: without user, password, query and fragment, on one line, not too long."""
    bare = re.sub(r"^(\s*[A-Za-z][\w+.-]*:/*)[^/?#]*@", r"\1", url.strip())
    bare = re.split(r"[?#]", bare, maxsplit=1)[0]
    bare = "".join(c if c.isprintable() else "?" for c in bare)
    return bare if len(bare) <= 120 else f"{bare[:117]}..."


def _public_authorities() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


def _parse(url: str, limits: Limits) -> httpx.URL:
    """Read an address with the one parser whose parts are then used to connect."""
    import httpx

    where = shown(url)
    if re.search(r"[\s\\\x00-\x1f\x7f]", url.strip()):
        raise MediaError("the address holds spaces or backslashes", where=where, remedy="Write it percent-encoded.")
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, ValueError) as error:
        raise MediaError(f"no valid web address ({error})", where=where, remedy="Check its spelling.") from None
    schemes = ("https", "http") if limits.allow_http else ("https",)
    if parsed.scheme not in schemes:
        raise MediaError(
            f"an address of the kind {parsed.scheme!r}", where=where, remedy=f"Use {' or '.join(schemes)}."
        )
    if parsed.userinfo:
        raise MediaError("the address holds a user name", where=where, remedy="Give it without one.")
    if not parsed.raw_host:
        raise MediaError("the address names no host", where=where, remedy="Check its spelling.")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise MediaError(f"port {parsed.port} does not exist", where=where, remedy="Check the address.")
    return parsed


def _joined(base: httpx.URL, location: bytes, where: str) -> str:
    import httpx

    try:
        return str(base.join(location.decode("ascii")))
    except (httpx.InvalidURL, ValueError):
        raise MediaError("redirects to no valid address", where=where, remedy="Give another address.") from None


def _get(
    pool: httpcore.ConnectionPool, url: httpx.URL, limits: Limits, deadline: float, where: str
) -> tuple[bytes, bytes | None]:
    """One request; the body, or the address that a redirect leads to."""
    import httpcore

    target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    headers = [
        (b"Host", url.netloc),
        (b"User-Agent", b"ruxi"),
        (b"Accept", b"image/*, audio/*, video/*"),
        # Compressed answers would have to be unpacked, which is where bombs hide; media are compressed already.
        (b"Accept-Encoding", b"identity"),
    ]
    seconds = dict.fromkeys(("connect", "read", "write", "pool"), max(0.0, deadline - time.monotonic()))
    with pool.stream("GET", target, headers=headers, extensions={"timeout": seconds}) as response:
        fields = {name.lower(): value for name, value in response.headers}
        if response.status in (301, 302, 303, 307, 308) and b"location" in fields:
            return b"", fields[b"location"]
        if response.status != 200:
            raise MediaError(f"the server answered {response.status}", where=where, remedy="Check the address.")
        return _body(response.iter_stream(), fields.get(b"content-length", b""), limits, where), None


def _body(chunks: Iterable[bytes], length: bytes, limits: Limits, where: str) -> bytes:
    what = "the download"
    if length.isdigit():
        check("bytes", int(length), limits.bytes, what=what, unit="bytes", where=where)
    body = bytearray()
    for chunk in chunks:
        body += chunk
        check("bytes", len(body), limits.bytes, what=what, unit="bytes", where=where)
    return bytes(body)
