"""Macros in card texts."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruxi.characters.macros import expand, unknown_macros


def expanded(text: str, **options: object) -> str:
    return expand(text, char="Mira", user="Li", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{char}} meets {{user}}.", "Mira meets Li."),
        ("{{ CHAR }}{{User}}<BOT><bot><User>", "MiraLiMiraMiraLi"),
        ("{{{char}}} {{{{char}}}}", "{Mira} {{Mira}}"),
        ("a{{// a note about {{char}} }}b{{comment: x}}c{{hidden_key:storm}}d", "abcd"),
        ("{{reverse:abc}} {{reverse:{{char}}}}", "cba ariM"),
        ("{{random:only}} {{pick: only }} {{random::only}}", "only only only"),
        (r"{{random:a\,b}}", "a,b"),
        ("{{random::a,b}}", "a,b"),
        ("{{original}}|", "|"),
        ("{{unknown}} {{unknown:x}} {{}} {{char", "{{unknown}} {{unknown:x}} {{}} {{char"),
        ("}} {{ {{char}}", "}} {{ Mira"),
        ("{{charm}} {{random}} {{roll:0}} {{roll:x}}", "{{charm}} {{random}} {{roll:0}} {{roll:x}}"),
        ("<BOTTLE> 1 < 2", "<BOTTLE> 1 < 2"),
    ],
)
def test_each_macro(text: str, expected: str) -> None:
    assert expanded(text) == expected


def test_original_is_what_the_card_replaces_and_is_expanded_too() -> None:
    assert expanded("{{original}} Be brief.", original="You are {{char}}. {{original}}") == "You are Mira.  Be brief."


def test_further_macros_come_from_the_caller() -> None:
    assert expanded("{{persona}} {{Persona}}", values={"persona": "a {{char}}"}) == "a {{char}} a {{char}}"


def test_names_are_never_read_for_macros() -> None:
    text = expand(
        "{{user}} {{random:{{user}}}} {{reverse:x}}", char="{{user}}", user="{{original}}, {{char}}", original="X"
    )
    assert text == "{{original}}, {{char}} {{original}}, {{char}} x"


def test_a_comma_in_a_name_separates_no_options() -> None:
    drawn = {expand("{{random:{{user}},x}}", char="", user="a,b", rng=random.Random(seed)) for seed in range(20)}
    assert drawn == {"a,b", "x"}


def test_draws_repeat_without_a_generator_and_vary_with_one() -> None:
    text = "{{random:a,b,c,d,e,f}} {{roll:d100}} {{pick:a,b,c,d,e,f}}"
    assert expanded(text) == expanded(text)
    varied = {expanded(text, rng=random.Random(seed)) for seed in range(20)}
    assert len(varied) > 10
    assert len({line.split()[2] for line in varied}) == 1


@pytest.mark.parametrize(("dice", "low", "high"), [("6", 1, 6), ("d6", 1, 6), ("2d6", 2, 12), (" 3D1 ", 3, 3)])
def test_dice_stay_within_their_faces(dice: str, low: int, high: int) -> None:
    rolls = {int(expanded(f"{{{{roll:{dice}}}}}", rng=random.Random(seed))) for seed in range(300)}
    assert (min(rolls), max(rolls)) == (low, high)
    assert expanded("{{roll 1d1}}") == "1"


_PIECES = st.sampled_from([*"{}<>:,\\/ \nabcdr", "char", "user", "random:", "{{", "}}", "<BOT>"])


@given(st.lists(_PIECES, max_size=45).map("".join))
def test_any_text_expands_alike_every_time_and_no_name_stays_behind(text: str) -> None:
    result = expanded(text)
    assert "{{char}}" not in result
    assert "<BOT>" not in result
    assert expanded(text) == result


def test_text_without_macros_is_left_alone() -> None:
    assert expanded("plain, {single} text") == "plain, {single} text"


@pytest.mark.parametrize(
    "text",
    [
        "{{" * 200_000,
        "{{a" * 100_000 + "}}" * 100_000,
        "{{random:" * 100_000,
        "{{" + " " * 500_000 + "!}}",
        "{{// " * 99_999,
    ],
)
def test_hostile_texts_take_linear_time(text: str) -> None:
    begin = time.perf_counter()
    expanded(text)
    assert time.perf_counter() - begin < 5


def test_macros_that_stay_are_listed() -> None:
    assert unknown_macros("{{char}} {{time}} {{// x}} {{Time_UTC+2}} {{random:a}} {{time}}") == ["time", "Time_UTC"]
