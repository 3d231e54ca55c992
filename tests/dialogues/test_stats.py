from __future__ import annotations

import io
from pathlib import Path

import PIL.Image
from hypothesis import given
from hypothesis import strategies as st

from ruxi.dialogues import CastMember, DatasetWriter, Dialogue, DialogueSet, Part, Turn
from ruxi.dialogues.plots import plot
from ruxi.dialogues.stats import Histogram, statistics
from tests.dialogues.sources import png


def small_set(path: Path) -> DialogueSet:
    with DatasetWriter(path) as writer:
        image = writer.add_medium(png())
        picture, absent = Part(kind="image", media=image), Part(kind="image", name="gone.png")
        for number, words in enumerate(("Hello there", "hello  THERE", "Bye", "")):
            writer.add(
                Dialogue(
                    id=str(number),
                    cast=[CastMember(name="Mira"), CastMember(name="You", kind="user")],
                    turns=[
                        Turn.of_text("You", words, intent="greeting"),
                        Turn(speaker="Mira", parts=[picture if number == 2 else absent], emotion="caring"),
                        Turn(speaker="Stranger"),
                    ],
                    language="en" if number else None,
                    split="train" if number < 3 else None,
                )
            )
    with (path / "dialogues.jsonl").open("a") as file:
        file.write("{broken\n")
    return DialogueSet.open(path)


def test_everything_is_counted(tmp_path: Path) -> None:
    found = statistics(small_set(tmp_path / "set"))
    assert (found.dialogues, found.turns, found.unreadable) == (4, 12, 1)
    assert found.kinds == {"user": 4, "character": 4, "?": 4}
    assert found.speakers == {"You": 4, "Mira": 4, "Stranger": 4}
    assert (found.emotions, found.basic_emotions) == ({"caring": 4}, {"joy": 4})
    assert found.intents == {"greeting": 4}
    assert found.languages == {"en": 3, "?": 1}
    assert found.splits == {"train": 3, "none": 1}
    assert (found.with_media, found.absent_media, found.media_files) == ({"image": 1}, 3, 1)
    assert found.media_bytes == len(png())
    assert found.duplicates == 1
    assert found.turn_lengths.longest == 12
    assert found.turn_lengths.rows()[0] == ("0", 9)


def test_plots_are_pictures_of_what_is_there(tmp_path: Path) -> None:
    data = small_set(tmp_path / "set")
    drawn = plot(statistics(data), tmp_path / "plots", "small 小")
    names = {path.stem for path in drawn}
    assert names >= {"turn_lengths", "speakers", "emotions", "languages", "media", "duplicates", "splits", "intents"}
    for path in drawn:
        picture = PIL.Image.open(io.BytesIO(path.read_bytes()))
        assert picture.format == "PNG"
        assert picture.convert("L").getextrema()[0] < 200  # Something is drawn on the white.


def test_an_empty_set_has_numbers_and_no_plots(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set"):
        pass
    found = statistics(DialogueSet.open(tmp_path / "set"))
    assert (found.dialogues, found.duplicates, found.turn_lengths.mean) == (0, 0, 0.0)
    assert plot(found, tmp_path / "plots", "empty") == []


@given(st.lists(st.integers(min_value=0, max_value=10**9)))
def test_a_histogram_counts_every_length_in_its_bin(lengths: list[int]) -> None:
    histogram = Histogram()
    for length in lengths:
        histogram.add(length)
    assert sum(count for _, count in histogram.rows()) == len(lengths)
    for name, count in histogram.rows():
        low, _, high = name.replace(",", "").partition("-")
        assert count == sum(int(low) <= length <= int(high or low) for length in lengths)
