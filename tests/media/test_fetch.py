"""Downloads against a real HTTPS server on this machine, reached through a resolver of the test."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from ruxi.errors import MediaError
from ruxi.media import Limits, Network, open_audio, open_image
from tests.media.samples import sample


@dataclass
class Site:
    """A server that answers as each test says, and remembers what it was asked."""

    port: int
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def url(self, path: str, host: str = "media.example", scheme: str = "https") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


def started(tls: ssl.SSLContext | None) -> tuple[ThreadingHTTPServer, Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.headers["Host"], self.path))
            site.answers[self.path.partition("?")[0]](self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Clients that leave are what many of these tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    site = Site(server.server_address[1])
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server, site


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def site(authority: trustme.CA) -> Iterator[Site]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("media.example", "other.example").configure_cert(tls)
    server, site = started(tls)
    yield site
    server.shutdown()
    server.server_close()


@pytest.fixture
def network(authority: trustme.CA) -> Network:
    return network_of(authority, {"media.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})


def network_of(authority: trustme.CA, addresses: dict[str, list[str]]) -> Network:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(tls)

    def resolve(host: str, port: int) -> list[str]:
        if host not in addresses:
            raise socket.gaierror("Name or service not known")
        return addresses[host]

    return Network(resolve=resolve, tls=tls)


def body(data: bytes, status: int = 200, **fields: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in fields.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def redirect(to: str) -> Callable[[BaseHTTPRequestHandler], None]:
    return body(b"", 302, Location=to)


HERE = Limits(private_hosts=("Media.example",), download_seconds=5)


def test_a_picture_and_a_sound_come_over_https(site: Site, network: Network) -> None:
    site.answers = {"/a.txt": body(sample("rgb.png")), "/b": body(sample("lame.mp3"))}
    image = open_image(site.url("/a.txt?key=secret#part"), limits=HERE, network=network)
    assert image.size == (40, 24)
    assert image.source == site.url("/a.txt")  # neither the query nor the fragment, which may be secret
    assert site.asked == [(f"media.example:{site.port}", "/a.txt?key=secret")]
    assert open_audio(site.url("/b"), limits=HERE, network=network).duration == pytest.approx(0.5, abs=0.05)


def test_certificates_are_checked(site: Site, network: Network) -> None:
    site.answers = {"/a": body(sample("rgb.png"))}
    with pytest.raises(MediaError, match=r"cannot be fetched .*certificate"):
        open_image(site.url("/a"), limits=HERE, network=Network(resolve=network.resolve))
    wrong = Network(resolve=lambda host, port: ["127.0.0.1"], tls=network.tls)
    with pytest.raises(MediaError, match=r"cannot be fetched .*certificate"):
        open_image(site.url("/a", "wrong.example"), limits=Limits(allow_private_hosts=True), network=wrong)
    assert site.asked == []


def test_a_name_is_resolved_once_and_that_address_is_used(site: Site, network: Network) -> None:
    """DNS rebinding: the second answer would lead elsewhere, but nobody asks for it."""
    site.answers = {"/a": body(sample("rgb.png"))}
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    open_image(site.url("/a"), limits=HERE, network=Network(resolve=resolve, tls=network.tls))
    assert asked == ["media.example"]


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "10.0.0.1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["fe80::1%eth0"],
        ["junk"],
    ],
)
def test_names_with_any_private_address_are_refused(site: Site, authority: trustme.CA, addresses: list[str]) -> None:
    network = network_of(authority, {"media.example": addresses})
    with pytest.raises(MediaError, match="not on the public internet"):
        open_image(site.url("/a"), network=network)
    assert site.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.0.0.1.",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[2002:7f00:1::]", "169.254.169.254", "0.0.0.0", "0",
        "①②⑦.0.0.1", "127。0。0。1",
    ],
)  # fmt: skip
def test_every_way_to_write_a_private_host_is_refused(site: Site, host: str) -> None:
    with pytest.raises(MediaError):
        open_image(site.url("/a", host))
    with pytest.raises(MediaError):
        open_image(site.url("/a", host, "http"), limits=Limits(allow_http=True))
    assert site.asked == []


def test_redirects_are_followed_and_checked_at_every_hop(site: Site, network: Network) -> None:
    site.answers = {
        "/1": redirect("/2"),
        "/2": redirect(site.url("/3")),
        "/3": body(sample("rgb.png")),
        "/inside": redirect(site.url("/3", "other.example")),
        "/number": redirect("https://127.0.0.1/"),
        "/plain": redirect(site.url("/3", scheme="http")),
        "/file": redirect("file:///etc/passwd"),
        "/loop": redirect("/loop"),
    }
    assert open_image(site.url("/1"), limits=HERE, network=network).size == (40, 24)
    site.asked.clear()
    for path, words in {
        "/inside": "'other.example'.*not on the public internet",
        "/number": "not on the public internet",
        "/plain": "'http'. Use https",
        "/file": "'file'. Use https",
        "/loop": "more than 5 redirects",
    }.items():
        with pytest.raises(MediaError, match=words):
            open_image(site.url(path), limits=HERE, network=network)
    assert [path for _, path in site.asked] == ["/inside", "/number", "/plain", "/file", *["/loop"] * 6]


def test_large_bodies_are_refused_by_their_header_and_while_they_stream(site: Site, network: Network) -> None:
    sent = 0

    def endless(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        try:
            while sent < 100_000_000:
                handler.wfile.write(bytes(65_536))
                sent += 65_536
        except OSError:
            return

    limits = HERE.model_copy(update={"bytes": 1_000_000})
    site.answers = {"/header": body(b"", Content_Length="2000000"), "/stream": endless}
    with pytest.raises(MediaError, match="2,000,000 bytes, the limit is 1,000,000"):
        open_image(site.url("/header"), limits=limits, network=network)
    with pytest.raises(MediaError, match="bytes, the limit is 1,000,000"):
        open_image(site.url("/stream"), limits=limits, network=network)
    assert sent < 20_000_000  # what the sockets hold on the way


@pytest.mark.parametrize("drip", ["head", "body"])
def test_a_server_that_drips_bytes_is_left_in_time(site: Site, network: Network, drip: str) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if drip == "body" else b""))
        try:
            for _ in range(100):
                handler.wfile.write(b"X")
                time.sleep(0.1)
        except OSError:
            return

    site.answers = {"/slow": slow}
    begin = time.monotonic()
    with pytest.raises(MediaError, match=r"no complete answer within 0\.5 seconds"):
        open_image(site.url("/slow"), limits=HERE.model_copy(update={"download_seconds": 0.5}), network=network)
    assert time.monotonic() - begin < 3


def test_a_resolver_that_hangs_is_left_in_time() -> None:
    network = Network(resolve=lambda host, port: time.sleep(10) or [])
    begin = time.monotonic()
    with pytest.raises(MediaError, match="no complete answer"):
        open_image("https://media.example/a", limits=Limits(download_seconds=0.3), network=network)
    assert time.monotonic() - begin < 3


def test_answers_that_are_no_medium_say_what_came(site: Site, network: Network) -> None:
    page = b"<!DOCTYPE html><title>Not found</title>"
    site.answers = {"/gone": body(page, 404), "/page": body(page), "/cut": body(b"abc", Content_Length="50")}
    for path, words in {
        "/gone": "the server answered 404",
        "/page": "a web page, not a picture",
        "/cut": "cannot be fetched",
    }.items():
        with pytest.raises(MediaError, match=words):
            open_image(site.url(path), limits=HERE, network=network)
    with pytest.raises(MediaError, match=r"cannot be fetched .*not known"):
        open_image("https://nowhere.example/a", network=network)
    with pytest.raises(MediaError, match="no host can have this name"):
        open_image(f"https://{'a' * 64}.example/a")


def test_http_only_where_it_is_allowed(network: Network) -> None:
    server, site = started(None)
    try:
        site.answers = {"/a": body(sample("rgb.png"))}
        with pytest.raises(MediaError, match=r"'http'\. Use https"):
            open_image(site.url("/a", scheme="http"), limits=HERE, network=network)
        allowed = HERE.model_copy(update={"allow_http": True})
        assert open_image(site.url("/a", scheme="http"), limits=allowed, network=network).size == (40, 24)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://media.example/a", "'ftp'"),
        ("file:///etc/passwd", "'file'"),
        ("https:///a", "names no host"),
        ("https://user:password@media.example/a", "holds a user name"),
        ("https://media.example\\@127.0.0.1/a", "spaces or backslashes"),
        ("https://media.example/a b", "spaces or backslashes"),
        ("https://media.example/a\r\nX: y", "spaces or backslashes"),
        ("https://media.example:99999/", "port 99999 does not exist"),
        ("https://media.example:x/", "no valid web address"),
    ],
)
def test_addresses_that_parsers_disagree_on_are_refused(url: str, words: str) -> None:
    asked: list[str] = []
    with pytest.raises(MediaError, match=words) as caught:
        open_image(url, network=Network(resolve=lambda host, port: asked.append(host) or []))
    assert not asked
    assert "password" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_fetching_can_be_switched_off(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="web addresses are not fetched here"):
        open_image("https://media.example/a", limits=Limits(allow_urls=False))
