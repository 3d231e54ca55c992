"""Pairs of replies, twins of spoken dialogues, captions and dictation: from data sets to examples."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ruxi.characters import Character
from ruxi.dialogues import CastMember, Dialogue, Part, Turn
from ruxi.dialogues.importers import import_dataset, load_importer
from ruxi.dialogues.splits import Splitter, split_dataset
from ruxi.dialogues.store import DialogueSet
from ruxi.dialogues.writer import DatasetWriter
from ruxi.errors import DataError
from ruxi.training.example_builder import ExampleBuilder
from ruxi.training.pairs import PAIR_KINDS
from ruxi.training.settings import DataSource, SequenceSettings
from tests.dialogues.sources import SOURCES
from tests.scripted import small_prompts, small_tokenizer
from tests.senses import png, wav

NAMES = ("Mira", "Aldo")


@pytest.fixture
def folder(tmp_path):
    """Two characters talk about three pictures; one dialogue is spoken; two answers are rated."""
    with DatasetWriter(tmp_path / "set", name="talks", source="this test", licence="CC0-1.0") as writer:
        for name in NAMES:
            writer.add_character(name, Character(name=name, description=f"{name} of the airship."))
        for n, colour in enumerate((20, 120, 220)):
            picture = writer.add_medium(png(colour))
            for name in NAMES:
                shown = [Part(kind="image", media=picture), Part(kind="text", text=f"Look, {name}!")]
                turns = [
                    Turn(speaker="Jo", parts=shown),
                    Turn.of_text(name, f"{name} sees {n}.", emotion="joy"),
                    Turn.of_text("Jo", f"And then {n}?"),
                    Turn.of_text(name, f"{name} sails on {n}."),
                ]
                writer.add(dialogue(f"{name}-{n}", name, turns))
        sound = writer.add_medium(wav())
        spoken = [
            Turn(speaker="Jo", parts=[Part(kind="audio", media=sound, text="Where is the cat?")]),
            Turn.of_text("Mira", "Aye, the cat is here."),
        ]
        writer.add(dialogue("spoken", "Mira", spoken))
        for system, rating in (("good", 0.9), ("fair", 0.85), ("bad", 0.2)):
            turns = [Turn.of_text("Jo", "Who are you?"), Turn.of_text("Aldo", f"A {system} answer.", rating=rating)]
            writer.add(dialogue(f"rated-{system}", "Aldo", turns))
    return tmp_path / "set"


def dialogue(identifier: str, name: str, turns: list[Turn]) -> Dialogue:
    cast = [CastMember(name="Jo", kind="user"), CastMember(name=name, character=name)]
    return Dialogue(id=identifier, cast=cast, turns=turns, split="train", language="en")


def examples(folder, *, speech: bool = False, length: int = 1024, **source):
    builder = ExampleBuilder(small_prompts(), SequenceSettings(length=length), write_speech=speech)
    return list(builder.of_set(DialogueSet.open(folder), DataSource(path=folder, **source), "train"))


def words(example) -> str:
    return small_tokenizer().decode(example.input_ids.tolist(), skip_special_tokens=False)


def learnt(example) -> str:
    return small_tokenizer().decode(example.input_ids[example.targets].tolist())


def test_another_characters_reply_to_the_same_picture_is_out_of_character(folder):
    found = [e for e in examples(folder, preferences=["out_of_character"]) if "Mira-" in e.id or "Aldo-" in e.id]
    assert len(found) == 6
    for example in found:
        worse = example.rejected.example
        own, other = NAMES if example.id.startswith("Mira") else reversed(NAMES)
        number = example.group[-1]
        assert learnt(example) in (f"{own} sees {number}.", f"{own} sails on {number}.")
        assert learnt(worse) in (f"{other} sees {number}.", f"{other} sails on {number}.")
        before = int(np.flatnonzero(example.targets)[0])
        assert np.array_equal(example.input_ids[:before], worse.input_ids[:before])
        assert [m.media for m in example.media] == [m.media for m in worse.media]
        assert len(example) == len(example.input_ids) + len(worse.input_ids)


def test_a_reply_that_goes_on_as_the_user_speaks_for_the_user(folder):
    found = {e.group: e for e in examples(folder, preferences=["speaks_for_user"])}
    for n in range(3):
        example = found[f"Mira-{n}"]
        worse = learnt(example.rejected.example)
        assert worse.startswith(learnt(example) + "\nJo: ")
        if learnt(example) == f"Mira sees {n}.":
            assert worse.endswith(f"And then {n}?")


def test_a_wrong_picture_changes_the_picture_and_nothing_else(folder):
    found = examples(folder, preferences=["wrong_picture"], describe_media=1.0)
    assert {e.group for e in found} == {f"{name}-{n}" for name in NAMES for n in range(3)}
    for example in found:
        worse = example.rejected.example
        assert np.array_equal(example.input_ids, worse.input_ids)
        assert learnt(example) == f"{example.group[:-2]} sees {example.group[-1]}."
        (right,), (wrong,) = example.media, worse.media
        assert right.turn == wrong.turn == 0
        assert right.media != wrong.media
    assert [e.rejected.example.media for e in found] == [
        e.rejected.example.media for e in examples(folder, preferences=["wrong_picture"])
    ]


def test_the_best_rated_reply_stands_against_those_that_are_clearly_worse(folder):
    (found,) = examples(folder, preferences=["rated"])
    assert (learnt(found), learnt(found.rejected.example)) == ("A good answer.", "A bad answer.")
    assert found.rejected.kind == "rated"


def test_comparisons_by_people_are_read_and_a_damaged_line_is_named(folder):
    with pytest.raises(DataError, match="leave 'compared' out"):
        examples(folder, preferences=["compared"])
    prompt = DialogueSet.open(folder).get("Mira-1")
    prompt.turns = prompt.turns[:1]
    line = {"prompt": json.loads(prompt.to_json()), "speaker": "Mira", "chosen": "A ship!", "rejected": "Hm."}
    (folder / "preferences.jsonl").write_text(json.dumps(line) + "\n")
    (found,) = examples(folder, preferences=["compared"])
    assert (learnt(found), learnt(found.rejected.example)) == ("A ship!", "Hm.")
    assert "Mira of the airship" in words(found)
    (folder / "preferences.jsonl").write_text(json.dumps(line) + "\n{}\n")
    with pytest.raises(DataError, match=r"preferences\.jsonl:2"):
        examples(folder, preferences=["compared"])


def test_the_first_pairs_are_of_every_kind_and_fit_into_a_row(folder):
    made = [kind for kind in PAIR_KINDS if kind not in ("rated", "compared")]
    found = examples(folder, preferences=made, length=600)
    assert {e.rejected.kind for e in found[:3]} == set(made)
    assert all(len(e) <= 600 for e in found)


def test_the_twin_of_a_spoken_dialogue_has_the_words_and_not_the_sound(folder):
    found = {e.group: e for e in examples(folder, speech=True, describe_media=0.0)}
    heard = found["spoken"]
    assert "[sound]" in words(heard)
    assert "Where is the cat?" not in words(heard)
    twin = heard.written.example
    assert "Where is the cat?" in words(twin)
    assert twin.media == ()
    assert [m.kind for m in heard.media] == ["audio"]
    after, same = heard.input_ids[heard.written.here + 1], twin.input_ids[heard.written.there + 1]
    assert np.array_equal(after, same)
    assert small_tokenizer().decode(after.tolist()) == "Aye, the cat is here."
    assert found["Mira-1"].written is None
    assert all(e.written is None for e in examples(folder, speech=True, describe_media=1.0))


def test_a_listener_writes_down_what_is_said(folder):
    (found,) = examples(folder, speakers="transcripts", describe_media=1.0)
    assert learnt(found) == "Where is the cat?"
    assert words(found).count("Where is the cat?") == 1, "it stands in the reply alone"
    assert [(m.kind, m.turn, m.says) for m in found.media] == [("audio", 0, ("Where is the cat?",))]


def imported(name: str, tmp_path):
    """A published set in its own form, imported; without a split all of it is for training."""
    out = tmp_path / name
    import_dataset(load_importer(name), SOURCES[name](tmp_path / "source"), out)
    split_dataset(out, Splitter(ratios={"train": 1.0}))
    return out


def test_captions_as_imported_are_learnt_from_the_picture_alone(tmp_path):
    (found,) = examples(imported("flickr8k", tmp_path), describe_media=0.0)
    assert learnt(found) == "A dog."
    assert "[picture]" in words(found)
    assert words(found).count("dog") == 1
    assert [(m.kind, m.turn, m.says) for m in found.media] == [("image", 0, ("A dog.", "Dogs."))]


def test_read_speech_as_imported_is_learnt_from_the_sound_alone(tmp_path):
    folder = imported("librispeech", tmp_path)
    assert examples(folder) == [], "nobody answers in it"
    (found,) = examples(folder, speakers="transcripts")
    assert learnt(found) == "there's iron they say"
    assert words(found).count("iron") == 1
