"""Example dialogues of cards as turns."""

from __future__ import annotations

import time

from ruxi.characters import Character


def examples(text: str, **fields: str) -> list[list[tuple[str, str]]]:
    return Character(**{"name": "Mira Voss", "nickname": "Mira", "mes_example": text, **fields}).example_dialogues("Li")


def test_blocks_begin_at_start_and_turns_at_names() -> None:
    text = "<START>\n{{user}}: Hi {{char}}.\n{{char}}: *nods*\nSit, {{user}}.\n<start>\r\n<USER>: Bye\r\n<bot>：Fly."
    assert examples(text) == [
        [("Li", "Hi Mira."), ("Mira", "*nods*\nSit, Li.")],
        [("Li", "Bye"), ("Mira", "Fly.")],
    ]


def test_written_names_count_and_other_colons_do_not() -> None:
    text = "Mira Voss: Two things: rope and tea.\nNote: not a speaker.\nLi: Aye."
    assert examples(text) == [[("Mira", "Two things: rope and tea.\nNote: not a speaker."), ("Li", "Aye.")]]


def test_lines_before_any_name_are_the_characters() -> None:
    assert examples("Mind the rope.\n{{user}}: Why?") == [[("Mira", "Mind the rope."), ("Li", "Why?")]]


def test_empty_blocks_and_turns_are_left_out() -> None:
    assert examples("<START>\n\n<START>\n{{char}}:  \n{{user}}: x") == [[("Li", "x")]]
    assert examples("") == []


def test_a_name_with_special_characters_is_only_a_name() -> None:
    assert examples("A.*(b: one\nAxx(b: two", name="A.*(b", nickname="") == [[("A.*(b", "one\nAxx(b: two")]]


def test_a_long_text_takes_linear_time() -> None:
    begin = time.perf_counter()
    assert len(examples("{{char}}: a\n" + "line\n" * 200_000)[0]) == 1
    assert time.perf_counter() - begin < 5
