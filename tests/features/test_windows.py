"""Long sounds are cut without gaps, at pauses where there are any."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ruxi.features.windows import STATE_SAMPLES, Span, cut

_LONGEST = 30 * 16_000


@st.composite
def _speech(draw: st.DrawFn) -> tuple[int, list[Span]]:
    edges = sorted(draw(st.sets(st.integers(0, 3_000_000), max_size=20)))
    spans = [Span(start, end) for start, end in zip(edges[::2], edges[1::2], strict=False)]
    return draw(st.integers(edges[-1] if edges else 0, 3_200_000)), spans


@given(_speech())
def test_windows_cover_the_sound_once_and_start_at_whole_states(sound: tuple[int, list[Span]]) -> None:
    length, spans = sound
    windows = list(cut(length, spans, _LONGEST))
    assert [window.start for window in windows] == [0, *(window.end for window in windows)][: len(windows)]
    assert (windows[-1].end if windows else 0) == length
    assert all(0 < window.end - window.start <= _LONGEST for window in windows)
    assert all(window.start % STATE_SAMPLES == 0 for window in windows)
    assert sum(window.states for window in windows) == -(-length // STATE_SAMPLES)


def test_a_cut_lies_in_the_latest_pause_that_can_be_reached() -> None:
    second = 16_000
    speech = [Span(0, 11 * second), Span(13 * second, 24 * second), Span(26 * second, 50 * second)]
    assert [(w.start / second, w.end / second) for w in cut(50 * second, speech, _LONGEST)] == [(0, 25), (25, 50)]


def test_speech_without_a_pause_is_cut_at_the_longest_window() -> None:
    second = 16_000
    windows = list(cut(70 * second, [Span(0, 70 * second)], _LONGEST))
    assert [w.end / second for w in windows] == [30, 60, 70]


def test_a_window_knows_the_speech_inside_it_in_its_own_seconds() -> None:
    second = 16_000
    speech = [Span(0, 5 * second), Span(28 * second, 33 * second), Span(40 * second, 41 * second)]
    first, second_window = list(cut(45 * second, speech, _LONGEST))
    assert first.inside(speech) == [(0.0, 5.0)]
    offset = first.end / second
    assert second_window.inside(speech) == [(28 - offset, 33 - offset), (40 - offset, 41 - offset)]
