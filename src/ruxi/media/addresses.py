"""How names become network addresses, and which addresses belong to the public internet.

IPv6 has several ways to wrap an IPv4 address; each is unwrapped, so that the private address inside is seen. Ranges:
the IANA special-purpose registries (RFC 6890), RFC 4291 (mapped), RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo).
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Not routed on the public internet, though some versions of Python's `is_global` say so.
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4")
) + tuple(ipaddress.ip_network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20"))


Resolver = Callable[[str, int], Sequence[str]]
"""Gives the addresses of a host's name and port; raises `OSError` when there are none."""


def resolve(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a name.

    Raises:
        OSError: The name is unknown, or no name server answers.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("no host can have this name") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class Network:
    """How the door reaches the web.

    Attributes:
        resolve: Gives the addresses of a name.
        tls: Which certificates are trusted; None trusts the public authorities.
    """

    resolve: Resolver = resolve
    tls: ssl.SSLContext | None = None


DEFAULT_NETWORK = Network()


def parse_address(text: str) -> Address | None:
    """Read an address in its usual notation; None for anything else. A zone (`%eth0`) is dropped."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_disguised(host: str) -> bool:
    """Whether a host is an IPv4 address in an unusual notation: `2130706433`, `0x7f.1`, `0177.0.0.1`, `127.1`.

    The system would read such a host as an address; other software reads it differently, so it is never meant well.
    """
    last = host.rstrip(".").rpartition(".")[2]
    return bool(re.fullmatch(r"\d+|0[xX][0-9a-fA-F]*", last)) and parse_address(host) is None


def is_public(address: Address) -> bool:
    """Whether an address can only lead to the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        inside = _inside(address)
        if inside is not None:
            return is_public(inside)
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _NEVER)


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour
