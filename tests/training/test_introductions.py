"""Introductions: a role's own name among the same answer with other names."""

from __future__ import annotations

import pytest

from ruxi.dialogues import CastMember, Dialogue, Turn
from ruxi.dialogues.store import DialogueSet
from ruxi.dialogues.writer import DatasetWriter
from ruxi.training.choices import ReplyChoice
from ruxi.training.example_builder import ExampleBuilder
from ruxi.training.introductions import IntroductionMaker
from ruxi.training.settings import ChoiceSettings, DataSource, SequenceSettings
from tests.scripted import small_prompts, small_tokenizer
from tests.training.test_statements import speakers

ROLES = ("Mira", "Aldo", "Nell", "Orin", "Pia")


def met(role: str, number: int, language: str = "en") -> Dialogue:
    cast = [CastMember(name="Jo", kind="user"), CastMember(name=role)]
    turns = [Turn.of_text("Jo", "Ahoy."), Turn.of_text(role, "The wind turns.")]
    return Dialogue(id=f"{role}-{number}", cast=cast, turns=turns, split="train", language=language)


@pytest.fixture
def dialogues() -> list[Dialogue]:
    return [met(role, number) for number in range(3) for role in ROLES]


def made(dialogues: list[Dialogue], candidates: int = 4) -> list[ReplyChoice]:
    return list(IntroductionMaker(dialogues, speakers, candidates).made())


def test_the_true_name_stands_among_others_in_the_same_words(dialogues):
    found = made(dialogues)
    assert [choice.speaker for choice in found] == [role for _ in range(3) for role in ROLES]
    for choice in found:
        right = choice.dialogue.turns[-1].text
        assert choice.speaker in right
        assert len({right, *choice.others}) == 4
        for other in choice.others:
            assert choice.speaker not in other
            assert any(right.replace(choice.speaker, role) == other for role in ROLES)


def test_introductions_are_the_same_every_time_and_need_english_and_others(dialogues):
    assert made(dialogues) == made(dialogues)
    assert made([met(role, 0, "de") for role in ROLES]) == []
    assert made(dialogues, candidates=6) == []


def test_names_are_learnt_as_replies_too(dialogues, tmp_path):
    with DatasetWriter(tmp_path / "set", name="tales", source="this test", licence="CC0-1.0") as writer:
        for dialogue in dialogues:
            writer.add(dialogue)
    builder = ExampleBuilder(small_prompts(), SequenceSettings(), choice=ChoiceSettings(candidates=4))
    source = DataSource(path=tmp_path / "set", choices=["name"])
    examples = list(builder.of_set(DialogueSet.open(tmp_path / "set"), source, "train"))
    assert len(examples) == len(dialogues)
    for example, dialogue in zip(examples, dialogues, strict=True):
        assert example.group == dialogue.id
        assert len(example.others) == 3
        learnt = small_tokenizer().decode(example.input_ids[example.targets].tolist())
        assert dialogue.cast[1].name in learnt
