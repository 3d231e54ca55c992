"""What is taken away around a reply, however it is cut into pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ruxi.scene.reply_text import ReplyText


def shown(pieces: list[str], *names: str) -> str:
    text = ReplyText(names)
    out = [text.push(piece) for piece in pieces]
    return "".join([*out, text.flush()])


@given(st.text(alphabet="Mi:a \n", max_size=25), st.lists(st.integers(0, 25), max_size=6))
def test_the_cuts_between_pieces_do_not_matter(text: str, cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[a:b] for a, b in zip(edges, edges[1:], strict=False)]  # noqa: RUF007
    found = shown(pieces, "Mia")
    assert found == shown(list(text), "Mia") == found.strip()
    assert not found.startswith("Mia:")
    assert "\nMia:" not in found


def test_a_name_said_twice_is_taken_away_twice() -> None:
    assert shown(["Mia: Mia：Aye"], "Mia") == "Aye"
    assert shown(["Mia:Mia:"], "Mia") == ""


def test_pieces_are_never_taken_back() -> None:
    text = ReplyText(["Mira", "Mira Voss"])
    pieces = [text.push(piece) for piece in (" Mi", "ra Vo", "ss", ": ", "Aye", ". ", "\n", "Go", "\nMi", "ra: x")]
    assert pieces == ["", "", "", "", "Aye", ".", "", " \nGo", "", ""]
    assert text.stopped
    assert text.flush() == ""
