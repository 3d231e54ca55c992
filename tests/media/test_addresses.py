from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruxi.media.addresses import is_disguised, is_public, parse_address

# fmt: off
PRIVATE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::",
    "::1", "::7f00:1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1",
    "2001::1", "2001:db8::1", "2002:a00:1::", "2002:7f00:1::1", "3fff::1", "fc00::1", "fd12::1", "fe80::1",
    "fec0::1", "ff02::1", "5f00::1",
]
# fmt: on
# fmt: off
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111",
    "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
]
# fmt: on


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_off_the_public_internet(text: str) -> None:
    assert not is_public(parse_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_addresses_on_the_public_internet(text: str) -> None:
    assert is_public(parse_address(text))


@given(st.integers(0, 2**32 - 1))
def test_wrapping_an_address_in_ipv6_never_makes_it_public(number: int) -> None:
    inner = ipaddress.IPv4Address(number)
    for wrapped in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert is_public(ipaddress.IPv6Address(wrapped)) == is_public(inner)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "1.2.3", "a.0", "1.2.3.4."]
)
def test_numbers_in_disguise(host: str) -> None:
    assert is_disguised(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "example.org", "1.example", "0x7f.example", "4chan.org", "a1"])
def test_names_and_plain_addresses_are_no_disguise(host: str) -> None:
    assert not is_disguised(host)
