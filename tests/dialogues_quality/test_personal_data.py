"""Personal data are found in what people write, and ordinary numbers are left alone."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruxi.dialogues.checks import find_personal_data, mask_personal_data


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("e-mail address", "write to mira.vale+tide@harbour.example.co.uk."),
        ("e-mail address", "邮箱是zhang_san@example.cn吗"),
        ("IBAN", "pay into GB82 WEST 1234 5698 7654 32 today"),
        ("IBAN", "DE89370400440532013000"),
        ("card number", "my card is 4111 1111 1111 1111, please"),
        ("card number", "5500-0055-5555-5559"),
        ("Chinese resident id", "身份证号11010519491231002X。"),
        ("US social security number", "SSN 219-09-9999"),
        ("IP address", "connect to 203.0.113.77 now"),
        ("IP address", "at 2001:db8::8a2e:370:7334"),
        ("telephone number", "call +49 30 901820 tonight"),
        ("telephone number", "call (212) 555-0187"),
        ("telephone number", "手机13812345678"),
    ],
)
def test_found(kind: str, text: str) -> None:
    assert [found.kind for found in find_personal_data(text)] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "In 1984 they sold 1,250,000 crates for 3.50 each.",
        "The code is 4111 1111 1111 1112.",
        "GB82 WEST 1234 5698 7654 33",
        "Meet me at 12:30:45 on 2024-05-17.",
        "listening on 127.0.0.1, version 10.2.1",
        "@mira said a@b",
        "Rooms 101-102-103 and 7 8 9 10 11 12",
        "std::vector and Foo::bar",
        "110105194912310021",
    ],
)
def test_left_alone(text: str) -> None:
    assert list(find_personal_data(text)) == []


def test_masking_keeps_the_rest() -> None:
    masked = mask_personal_data("Mira: a.b@example.org or +49 30 901820, by Friday 12.")
    assert masked == "Mira: [e-mail address] or [telephone number], by Friday 12."


@given(st.text(alphabet="0123456789 +-.:@aG()A1", max_size=80))
def test_what_is_masked_is_gone(text: str) -> None:
    found = list(find_personal_data(text))
    assert all(one.end <= two.start for one, two in itertools.pairwise(found))
    masked = mask_personal_data(text)
    for one in found:
        assert f"[{one.kind}]" in masked
