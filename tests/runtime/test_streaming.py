"""Text that can be shown at once: whole characters, and never the beginning of a stop string."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruxi.runtime.streaming import StopStrings, TextStream
from tests.scripted import small_tokenizer


def shown(pieces: list[str], *stops: str) -> tuple[list[str], bool]:
    stream = StopStrings(stops)
    out = [stream.push(piece) for piece in pieces]
    return [*out, stream.flush()], stream.stopped


def test_nothing_of_a_stop_string_is_ever_shown() -> None:
    pieces, stopped = shown(["Aye", ".\n", "Us", "er: ", "hello"], "\nUser:")
    assert pieces == ["Aye", ".", "", "", "", ""]
    assert stopped


def test_text_that_only_looked_like_a_stop_string_comes_later() -> None:
    pieces, stopped = shown(["one\n", "Use", "ful"], "\nUser:")
    assert pieces == ["one", "", "\nUseful", ""]
    assert not stopped
    assert shown(["wait\nUse"], "\nUser:") == (["wait", "\nUse"], False)


def test_a_reply_that_begins_with_the_users_name_stops_at_once() -> None:
    assert shown(["User:", " I am you"], "\nUser:") == (["", "", ""], True)
    assert shown(["\nUser: hi"], "\nUser:")[1]


@pytest.mark.parametrize("stop", ["\n", "\n\n"])
def test_a_line_break_alone_stops_at_one_that_is_said(stop: str) -> None:
    assert shown(["Aye", ", sir.", stop, "Or no."], stop) == (["Aye", ", sir.", "", "", ""], True)
    assert shown([stop, "Aye"], stop)[1]
    assert shown(["Aye"], stop) == (["Aye", ""], False)


def test_without_stop_strings_text_passes_unchanged() -> None:
    assert shown(["a\n", "\nb"]) == (["a\n", "\nb", ""], False)


@given(
    st.text(alphabet="ab\n", max_size=30),
    st.lists(st.text(alphabet="ab\n", min_size=1, max_size=4), max_size=3),
    st.lists(st.integers(0, 30), max_size=8),
)
def test_the_result_does_not_depend_on_how_the_text_is_cut(text: str, stops: list[str], cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[a:b] for a, b in pairwise(edges)]
    by_piece, stopped = shown(pieces, *stops)
    by_character, stopped_again = shown(list(text), *stops)
    assert "".join(by_piece) == "".join(by_character)
    assert stopped == stopped_again
    assert all(stop not in "".join(by_piece) for stop in stops)
    if not stopped:
        assert "".join(by_piece) == text


@given(st.text(max_size=40))
def test_tokens_become_the_same_text_in_whole_characters(text: str) -> None:
    tokenizer = small_tokenizer()
    stream = TextStream(tokenizer)
    pieces = [stream.push(token) for token in tokenizer.encode(text, add_special_tokens=False).ids]
    if "\N{REPLACEMENT CHARACTER}" not in text:
        assert "".join([*pieces, stream.flush()]) == text
        assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)


@given(st.lists(st.integers(0, 399), max_size=60))
def test_any_tokens_at_all_can_be_streamed(tokens: list[int]) -> None:
    tokenizer = small_tokenizer()
    stream = TextStream(tokenizer, ["zz"])
    text = "".join([*(stream.push(token) for token in tokens), stream.flush()])
    assert "zz" not in text


@pytest.mark.parametrize("text", ["天气很好", "🙂🙂", "ü"])
def test_a_character_cut_off_at_the_end_is_dropped(text: str) -> None:
    tokenizer = small_tokenizer()
    tokens = [tokenizer.token_to_id(t) for t in tokenizer.pre_tokenizer.pre_tokenize_str(text)[0][0]]
    stream = TextStream(tokenizer)
    assert "".join(stream.push(token) for token in tokens[:-1]) + stream.flush() == text[:-1]
