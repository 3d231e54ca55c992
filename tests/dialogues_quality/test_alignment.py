"""Turns and words get the times at which they are spoken, whatever the text's own times say."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from ruxi.dialogues import CastMember, Dialogue, Part, Turn, Word
from ruxi.dialogues.alignment import Line, SetAligner, align_lines, fit_clock, settle_words
from ruxi.dialogues.alignment.matching import heard_tokens, match_tokens, shown_words, written_tokens
from ruxi.dialogues.checks import check
from ruxi.dialogues.store import DialogueSet
from ruxi.files import sha256_of_bytes
from ruxi.media import SAMPLE_RATE, Audio, Limits, open_audio

from .conftest import LINES, text

MakeSet = Callable[..., Path]
SCENE = (
    *LINES,
    "You came back sooner than anybody on the pier expected.",
    "The wind was kind to us, and the cook was not.",
    "Half of the sailors refuse to eat anything but biscuits.",
    "Give them soup and a story about the northern whales.",
    "I gave them both, and they asked for a song as well.",
    "Then sing, captain, before they sing for themselves.",
)


def spoken(lines: Sequence[str] = SCENE, seed: int = 0) -> list[list[Word]]:
    """The lines as if spoken one after the other from second 5 on: true words with their times."""
    draw = random.Random(seed)
    at, said = 5.0, []
    for line in lines:
        words = []
        for word in line.split():
            length = 0.06 * len(word) * draw.uniform(0.8, 1.2) + 0.05
            words.append(Word(text=word, start=round(at, 3), end=round(at + length, 3), confidence=0.9))
            at += length
        said.append(words)
        at += draw.uniform(0.5, 2.0)
    return said


def subtitle(words: list[Word], offset: float, drift: float) -> Line:
    start, end = ((time - offset) / (1 + drift) for time in (words[0].start, words[-1].end))
    return Line(" ".join(word.text for word in words), start, end)


@pytest.mark.parametrize(("offset", "drift"), [(0.0, 0.0), (2.7, 0.0), (-1.4, 0.0427), (40.0, -0.005)])
def test_offset_and_drift_are_found_and_corrected(offset: float, drift: float) -> None:
    said = spoken()
    found = align_lines([subtitle(words, offset, drift) for words in said], [word for words in said for word in words])
    assert found.clock is not None
    assert found.clock.offset == pytest.approx(offset, abs=0.1)
    assert found.clock.drift == pytest.approx(drift, abs=0.0005)
    for aligned, words in zip(found.aligned, said, strict=True):
        assert aligned.method == "words"
        assert aligned.start == pytest.approx(words[0].start, abs=0.01)
        assert [word.text for word in aligned.words] == [word.text for word in words]


def test_misheard_words_and_lines_that_are_never_spoken() -> None:
    said = spoken()
    draw = random.Random(3)
    heard = [
        word if draw.random() > 0.2 else word.model_copy(update={"text": word.text[:-1] + "x"})
        for words in said
        for word in words
    ]
    lines = [subtitle(words, 3.0, 0.0) for words in said]
    absent = Line(
        "A violin plays an old waltz somewhere far away.", (lines[4].end or 0) + 0.1, (lines[4].end or 0) + 0.3
    )
    found = align_lines([*lines[:5], absent, *lines[5:]], heard)
    assert [one.method for one in found.aligned] == ["words"] * 5 + ["clock"] + ["words"] * 5
    wrong = found.aligned[5]
    assert wrong.confidence <= 0.3
    assert wrong.start == pytest.approx((absent.start or 0) + 3.0, abs=0.2)
    errors = [
        abs(word.start - true.start)
        for one, words in zip([*found.aligned[:5], *found.aligned[6:]], said, strict=True)
        for word, true in zip(one.words, words, strict=True)
    ]
    assert float(np.median(errors)) < 0.05
    assert max(errors) < 0.6


def test_a_text_without_times_is_aligned_by_its_words_alone() -> None:
    said = spoken()
    found = align_lines([Line(" ".join(w.text for w in words)) for words in said], [w for words in said for w in words])
    assert found.clock is None
    assert {one.method for one in found.aligned} == {"words"}


def test_a_text_of_another_film_is_not_forced_onto_the_sound() -> None:
    heard = [word for words in spoken() for word in words]
    other = ("Quantum chromodynamics describes strongly interacting quarks.", "Gluons carry colour charge themselves.")
    found = align_lines([Line(line, 5.0 + n, 6.0 + n) for n, line in enumerate(other * 4)], heard)
    assert {one.method for one in found.aligned} == {"none"}


def test_the_same_words_elsewhere_do_not_attract_a_line() -> None:
    said = spoken(["I know.", *SCENE, "I know."])
    lines = [subtitle(words, 1.0, 0.0) for words in said]
    heard = [word for words in said[1:] for word in words]
    found = align_lines(lines, heard)
    assert found.aligned[0].method == "clock"
    assert found.aligned[-1].start == pytest.approx(said[-1][0].start, abs=0.05)


def test_chinese_is_matched_character_by_character() -> None:
    lines = ("港务长想在潮水转向之前拿到清单。", "告诉他那些箱子还在北边的码头上。")
    heard, at = [], 2.0
    for line in lines:
        for piece in (line[:3], line[3:8], line[8:-1]):
            heard.append(Word(text=piece, start=at, end=at + 0.2 * len(piece)))
            at += 0.2 * len(piece)
        at += 1.0
    found = align_lines([Line(line) for line in lines], heard)
    assert [one.method for one in found.aligned] == ["words", "words"]
    assert found.aligned[0].words[3].start == pytest.approx(2.6)
    assert "".join(word.text for word in found.aligned[1].words) == lines[1]


@given(
    st.lists(st.sampled_from("abcde"), max_size=12),
    st.lists(st.sampled_from("abcde"), max_size=12),
)
def test_matches_are_in_order_and_use_each_word_once(left: list[str], right: list[str]) -> None:
    heard = [Word(text=word, start=n, end=n + 1) for n, word in enumerate(right)]
    matches = match_tokens(written_tokens(left), heard_tokens(heard))
    assert [match.written for match in matches] == sorted({match.written for match in matches})
    assert [match.heard for match in matches] == sorted({match.heard for match in matches})


@given(st.text(max_size=60))
def test_no_visible_character_of_a_text_is_lost(line: str) -> None:
    assert "".join(shown_words(line)) == "".join(line.split())


def test_a_clock_needs_pairs_that_agree() -> None:
    draw = random.Random(0)
    assert fit_clock([1.0, 2.0], [3.0, 4.0]) is None
    noise = [draw.uniform(0, 600) for _ in range(60)]
    assert fit_clock([float(n * 10) for n in range(60)], noise) is None
    half = [n * 10.0 + 2.5 if n % 2 else noise[n] for n in range(60)]
    clock = fit_clock([n * 10.0 for n in range(60)], half)
    assert clock is not None
    assert clock.offset == pytest.approx(2.5, abs=0.05)
    assert clock.drift == pytest.approx(0.0, abs=1e-3)


def tone(*spans: tuple[float, float], seconds: float = 4.0) -> bytes:
    """A WAV with noise of speech's loudness in the given spans and faint noise elsewhere."""
    draw = np.random.default_rng(0)
    samples = draw.normal(0, 0.0005, int(seconds * SAMPLE_RATE))
    for start, end in spans:
        samples[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)] += draw.normal(
            0, 0.1, int(end * SAMPLE_RATE) - int(start * SAMPLE_RATE)
        )
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="WAV")
    return file.getvalue()


def test_word_edges_move_to_where_the_sound_begins_and_ends() -> None:
    sound = open_audio(tone((1.0, 1.5), (2.0, 2.4)))
    words = [Word(text="one", start=0.7, end=1.3), Word(text="two", start=1.6, end=2.6)]
    settled = settle_words(words, sound)
    assert [(round(word.start, 1), round(word.end, 1)) for word in settled] == [(1.0, 1.5), (2.0, 2.4)]
    silent = Audio(np.zeros(SAMPLE_RATE, dtype=np.float32), "0" * 64, 0.0, 1.0, "silence")
    assert settle_words([Word(text="x", start=0.2, end=0.4)], silent) == [Word(text="x", start=0.2, end=0.4)]


class Script:
    """A transcriber that knows what was said: the words by the sound's digest."""

    name = "script"

    def __init__(self, words: dict[str, list[Word]]) -> None:
        self._words = words

    def words(self, sound: Audio) -> list[Word]:
        return self._words[sound.sha256]


def film(said: list[list[Word]]) -> bytes:
    return tone(*((words[0].start, words[-1].end) for words in said), seconds=said[-1][-1].end + 2)


def test_a_film_in_two_dialogues_shares_one_clock_and_is_cut_by_turns(make_set: MakeSet, tmp_path: Path) -> None:
    said = spoken()
    sound = film(said)
    name = sha256_of_bytes(sound)

    def scene(number: int, rows: list[list[Word]]) -> Dialogue:
        shown = Turn(speaker="Narrator", parts=[Part(kind="audio", media=name, start=0.0)])
        lines = [subtitle(words, 2.0, 0.01) for words in rows]
        turns = [
            Turn(
                speaker="Mira",
                parts=[Part(kind="text", text=line.text, start=line.start, end=line.end)],
                start=line.start,
                end=line.end,
            )
            for line in lines
        ]
        cast = [CastMember(name="Mira"), CastMember(name="Narrator", kind="narrator")]
        return Dialogue(id=f"film/{number}", cast=cast, turns=[shown, *turns])

    folder = make_set([scene(0, said[:7]), scene(1, said[7:])], media=[sound])
    script = Script({name: [word for words in said for word in words]})
    report = SetAligner(DialogueSet.open(folder), script, limits=Limits(), cut=True).run(tmp_path / "aligned")
    assert report.methods == {"words": 10}
    assert len(report.recordings) == 1
    assert report.recordings[0]["offset"] == pytest.approx(2.0, abs=0.1)

    aligned = DialogueSet.open(tmp_path / "aligned")
    turn = aligned.get("film/1").turns[1]
    assert turn.start == pytest.approx(said[7][0].start, abs=0.05)
    assert turn.parts[0].words[1].start == pytest.approx(said[7][1].start, abs=0.05)
    assert (turn.parts[0].start, turn.parts[0].end) == (turn.start, turn.end)
    assert turn.model_extra is not None
    assert turn.model_extra["alignment"]["method"] == "words"
    piece = open_audio(aligned.media.read(turn.parts[1].media or ""))
    assert piece.duration == pytest.approx((turn.parts[1].end or 0) - (turn.parts[1].start or 0), abs=0.01)
    picture = tmp_path / "aligned" / report.recordings[0]["picture"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "aligned" / "alignment.json").read_text())["turns"] == {"words": 10}
    with check(tmp_path / "aligned") as checked:
        assert [fault for fault in checked.faults() if fault.check in ("times", "types", "media")] == []

    again = SetAligner(aligned, script, limits=Limits()).run(tmp_path / "again")
    assert again.recordings[0]["offset"] == pytest.approx(2.0, abs=0.1)


def test_turns_with_their_own_sounds_follow_each_other(make_set: MakeSet, tmp_path: Path) -> None:
    sounds = [tone((0.5, 1.5), seconds=2.0), tone((0.2, 0.9), seconds=1.0)]
    names = [sha256_of_bytes(sound) for sound in sounds]
    turns = [
        Turn(speaker="Mira", parts=[text("Good morning"), Part(kind="audio", media=names[0])]),
        Turn(speaker="Mira", parts=[Part(kind="audio", media=names[1], text="Hello there")]),
    ]
    script = Script(
        {
            names[0]: [Word(text="Good", start=0.5, end=0.9), Word(text="morning", start=0.9, end=1.5)],
            names[1]: [Word(text="hello", start=0.2, end=0.5), Word(text="there", start=0.5, end=0.9)],
        }
    )
    folder = make_set([Dialogue(id="1", cast=[CastMember(name="Mira")], turns=turns)], media=sounds)
    SetAligner(DialogueSet.open(folder), script, limits=Limits()).run(tmp_path / "aligned")
    one, two = DialogueSet.open(tmp_path / "aligned").get("1").turns
    assert (one.start, one.end, two.start, two.end) == (0.0, 2.0, 2.0, 3.0)
    assert one.parts[0].words[0].start == pytest.approx(0.5, abs=0.02)
    assert two.parts[0].words[0].start == pytest.approx(2.2, abs=0.02)


def test_a_broken_recording_is_reported_and_the_rest_aligned(make_set: MakeSet, tmp_path: Path) -> None:
    broken, good = tone((0.5, 1.0), seconds=1.0)[:30], tone((0.5, 1.5), seconds=2.0)
    names = [sha256_of_bytes(broken), sha256_of_bytes(good)]
    folder = make_set(
        [
            Dialogue(id=str(n), turns=[Turn(speaker="M", parts=[Part(kind="audio", media=name, text="Hello there")])])
            for n, name in enumerate(names)
        ],
        media=[broken, good],
    )
    script = Script({names[1]: [Word(text="hello", start=0.5, end=1.0), Word(text="there", start=1.0, end=1.5)]})
    report = SetAligner(DialogueSet.open(folder), script, limits=Limits()).run(tmp_path / "aligned")
    assert list(report.problems) == [names[0]]
    assert report.methods == {"words": 1}
    assert len(DialogueSet.open(tmp_path / "aligned")) == 2
