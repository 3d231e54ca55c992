"""Statements beside their opposites: the card says which of the two is right, as often the negative as the other."""

from __future__ import annotations

import pytest

from ruxi.characters import Character
from ruxi.characters.statements import opposite
from ruxi.dialogues import CastMember, Dialogue, Turn
from ruxi.dialogues.store import DialogueSet
from ruxi.dialogues.writer import DatasetWriter
from ruxi.training.choices import ReplyChoice
from ruxi.training.example_builder import ExampleBuilder
from ruxi.training.settings import ChoiceSettings, DataSource, SequenceSettings
from ruxi.training.statements import StatementMaker
from tests.scripted import small_prompts, small_tokenizer

ROLES = ("Mira", "Aldo", "Nell", "Orin", "Pia")
THINGS = ("the sea", "old clocks", "warm rain", "loud songs", "tall ships", "salt bread", "night trains", "wild geese")


def told(role: str, number: int, language: str = "en") -> Dialogue:
    """A role says two things of itself, and something else."""
    text = f"Look there! I love {THINGS[number]} of {role}. My {role} boat {number} is quite fast."
    turns = [Turn.of_text("Jo", "And you?"), Turn.of_text(role, text)]
    cast = [CastMember(name="Jo", kind="user"), CastMember(name=role)]
    group = f"{role}-tale-{number}"
    return Dialogue(id=f"{role}-{number}", cast=cast, turns=turns, group=group, split="train", language=language)


@pytest.fixture
def dialogues() -> list[Dialogue]:
    return [told(role, number) for number in range(len(THINGS)) for role in ROLES]


def speakers(dialogue: Dialogue) -> list[tuple[str, str | None]]:
    return [(member.name, None) for member in dialogue.cast if member.kind == "character"]


def made(dialogues: list[Dialogue], candidates: int = 8) -> list[ReplyChoice]:
    return list(StatementMaker(dialogues, speakers, candidates).made())


def test_the_card_holds_the_right_line_and_none_of_the_wrong_ones(dialogues):
    found = made(dialogues)
    assert len(found) == 2 * len(dialogues)
    for choice in found:
        assert isinstance(choice.character, Character)
        lines = choice.character.description.split("\n")
        right = choice.dialogue.turns[-1].text
        assert choice.character.name == choice.speaker
        assert all(choice.speaker in line for line in lines)
        assert len(lines) == 4
        assert right in lines
        assert len({right, *choice.others}) == 8
        assert not set(lines) & set(choice.others)
        first = choice.others[0]
        assert opposite(right) == first or opposite(first) == right
        assert sum(choice.speaker in other for other in choice.others) == 4
        assert choice.dialogue.group == choice.dialogue.id.split("/")[0].replace("-", "-tale-")


def test_the_negative_is_right_as_often_as_not(dialogues):
    negative = sum(" not " in choice.dialogue.turns[-1].text for choice in made(dialogues))
    assert 25 < negative < 55


def test_few_candidates_leave_room_for_another_role(dialogues):
    for choice in made(dialogues, candidates=3):
        assert len(choice.others) == 2
        assert isinstance(choice.character, Character)
        assert choice.character.description.count("\n") == 1


def test_choices_are_the_same_every_time_and_need_english_and_others(dialogues):
    assert made(dialogues) == made(dialogues)
    assert made([told(role, 0, "de") for role in ROLES]) == []
    assert made([told("Mira", number) for number in range(4)]) == []


def test_examples_take_quoted_replies_and_statements_in_turn(dialogues, tmp_path):
    with DatasetWriter(tmp_path / "set", name="tales", source="this test", licence="CC0-1.0") as writer:
        for dialogue in dialogues:
            writer.add(dialogue)
    builder = ExampleBuilder(small_prompts(), SequenceSettings(), choice=ChoiceSettings(candidates=6))
    source = DataSource(path=tmp_path / "set", choices=["other_role", "opposite"])
    examples = list(builder.of_set(DialogueSet.open(tmp_path / "set"), source, "train"))
    assert [example.id.count("/") for example in examples[:6]] == [1, 3, 1, 3, 1, 3]
    assert len(examples) == 3 * len(dialogues)
    assert all(example.targets.any() for example in examples[0:6:2])
    for example in examples[1:6:2]:
        prompt = small_tokenizer().decode(example.input_ids[: example.fork].tolist())
        right = small_tokenizer().decode(example.input_ids[example.fork :].tolist())
        assert right in prompt
        assert len(example.others) == 5
        assert not example.targets.any()
        assert example.group in {dialogue.group for dialogue in dialogues}
