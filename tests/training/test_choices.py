"""Choices: the true reply stands first, the others come from where the recipe says and are never right by chance."""

from __future__ import annotations

import numpy as np

from ruxi.dialogues import CastMember, Dialogue, Turn
from ruxi.dialogues.store import DialogueSet
from ruxi.dialogues.writer import DatasetWriter
from ruxi.training.example_builder import ExampleBuilder
from ruxi.training.examples import Example
from ruxi.training.settings import ChoiceSettings, DataSource, SequenceSettings
from tests.scripted import small_prompts, small_tokenizer
from tests.training.test_pairs import NAMES, folder  # noqa: F401 (a fixture)


def choices(path, *kinds: str, **settings: int) -> list[Example]:
    builder = ExampleBuilder(small_prompts(), SequenceSettings(), choice=ChoiceSettings(**settings))
    return list(builder.of_set(DialogueSet.open(path), DataSource(path=path, choices=list(kinds)), "train"))


def text(ids) -> str:
    return small_tokenizer().decode(ids.tolist())


def test_the_others_are_words_of_other_roles(folder):  # noqa: F811
    found = choices(folder, "other_role", candidates=4)
    assert {e.group for e in found} == {e.group for e in choices(folder, "same_role", candidates=2)}
    for example in found:
        speaker = example.id.rpartition("/")[2]
        true = text(example.input_ids[example.fork :])
        assert len({true, *(text(other) for other in example.others)}) == 4
        assert np.array_equal(np.flatnonzero(example.targets), np.arange(example.fork, len(example.input_ids)))
        assert len(example) == len(example.input_ids) + sum(map(len, example.others))
        for other in example.others:
            assert not text(other).startswith(f"{speaker} s")


def test_the_same_role_is_quoted_from_other_dialogues_alone(folder):  # noqa: F811
    pictured = [e for e in choices(folder, "same_role", candidates=3) if "-" in e.group and "rated" not in e.group]
    assert len(pictured) == 6
    for example in pictured:
        speaker, number = example.group.split("-")
        for other in example.others:
            assert f"{number}." not in text(other)
            assert not any(text(other).startswith(name) for name in NAMES if name != speaker)


def test_both_kinds_take_turns_and_replies_are_cut(folder):  # noqa: F811
    whole = choices(folder, "other_role", "same_role", candidates=4)
    cut = choices(folder, "other_role", "same_role", candidates=4, reply_tokens=3)
    assert len(whole) == len(cut) > 0
    for example, shorter in zip(whole, cut, strict=True):
        speaker = example.id.rpartition("/")[2]
        if "-" in example.group and "rated" not in example.group:
            assert not text(example.others[0]).startswith(f"{speaker} s")
            assert not text(example.others[2]).startswith(f"{speaker} s")
        for one, other in zip(
            (example.input_ids[example.fork :], *example.others),
            (shorter.input_ids[shorter.fork :], *shorter.others),
            strict=True,
        ):
            assert np.array_equal(one[:3], other)


def test_other_roles_stand_in_where_a_role_has_said_too_little(folder):  # noqa: F811
    found = next(e for e in choices(folder, "same_role", "other_role", candidates=12) if e.group == "Mira-0")
    others = [text(other) for other in found.others]
    assert len(set(others)) == 11
    assert sum(other.startswith("Mira") or other == "Aye, the cat is here." for other in others) == 5
    assert choices(folder, "same_role", candidates=12) == []


def test_a_set_with_too_few_replies_gives_no_choices(folder):  # noqa: F811
    assert choices(folder, "other_role", candidates=40) == []


def captioned(path, **settings) -> list[Example]:
    """Examples of four pictures without pixels, which are described in several ways."""
    with DatasetWriter(path, name="captions", source="this test", licence="CC0-1.0") as writer:
        cast = [CastMember(name="Jo", kind="user"), CastMember(name="Observer")]
        for n in range(4):
            turns = [
                Turn.of_text("Jo", "What is it?"),
                Turn.of_text("Observer", f"A ship {n}.", alternatives=[f"Ship {n} in a storm.", "", f"One mast, {n}."]),
            ]
            writer.add(Dialogue(id=str(n), cast=cast, turns=turns, split="train", language="en"))
    sequence = SequenceSettings(length=settings.pop("length", 1024))
    builder = ExampleBuilder(small_prompts(), sequence, choice=ChoiceSettings(candidates=3, reply_tokens=6))
    return list(builder.of_set(DialogueSet.open(path), DataSource(path=path, **settings), "train"))


def test_whatever_else_is_right_branches_off_where_the_reply_begins(tmp_path):
    found = captioned(tmp_path / "set", alternatives=True)
    for n, example in enumerate(found):
        assert text(example.input_ids[example.fork :]).startswith(f"A ship {n}.")
        assert [text(other) for other in example.alternatives] == [f"Ship {n} in a storm.", f"One mast, {n}."]
        assert len(example) == len(example.input_ids) + sum(map(len, example.alternatives))
    assert not any(example.alternatives for example in captioned(tmp_path / "plain"))
    (longest,) = {len(example) for example in found}
    (shorter,) = {len(e.alternatives) for e in captioned(tmp_path / "short", alternatives=True, length=longest - 1)}
    assert shorter == 1


def test_a_choice_can_have_several_right_replies(tmp_path):
    for n, example in enumerate(captioned(tmp_path / "set", alternatives=True, choices=["same_role"])):
        assert len(example.others) == 2
        assert [len(other) for other in example.alternatives] == [6, 6]
        assert f"Ship {n} in a storm.".startswith(text(example.alternatives[0]))
        assert not {text(other) for other in example.others} & {text(other) for other in example.alternatives}
