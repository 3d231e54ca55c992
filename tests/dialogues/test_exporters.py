"""Out to other tools and back: what a target can hold returns, what it cannot is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ruxi.characters import Character
from ruxi.dialogues import CastMember, DatasetWriter, Dialogue, DialogueSet, Label, Part, Turn, Word
from ruxi.dialogues.exporters import ExportReport, export_dataset, load_exporter
from ruxi.errors import DataError
from tests.dialogues.sources import flac, imported, png


def rich_set(path: Path) -> DialogueSet:
    """A data set that fills every field of the schema."""
    with DatasetWriter(path, name="rich", licence="MIT") as writer:
        mira = Character(name="Mira", description="Keeps a lighthouse.", first_mes="Hi!", tags=["sea"])
        writer.add_character("mira", mira)
        image, sound = writer.add_medium(png()), writer.add_medium(flac())
        full = Dialogue(
            id="full/1",
            cast=[
                CastMember(name="Mira", character="mira"),
                CastMember(name="Ann", kind="user"),
                CastMember(name="Narrator", kind="narrator"),
            ],
            scene="A storm rises.",
            turns=[
                Turn.of_text("Narrator", "Night.", start=0.0, end=1.0),
                Turn(
                    speaker="Ann",
                    parts=[
                        Part(kind="text", text="Look & listen 好:", translations={"de": "Schau:"}),
                        Part(kind="image", media=image, name="storm.png", labels=[Label(name="sea", score=0.5)]),
                        Part(
                            kind="audio",
                            media=sound,
                            text="help",
                            start=1.0,
                            end=1.25,
                            language="en",
                            words=[Word(text="help", start=1.0, end=1.2)],
                        ),
                    ],
                    emotion="fear",
                    intent="request",
                    action="shivers",
                    rating=0.5,
                ),
                Turn.of_text("Mira", 'I see.\n"Come in."', emotion="caring", mood=["own", {"field": 1}]),
            ],
            split="test",
            holdout=True,
            group="storms",
            folds=[1, 2],
            source="our own",
            licence="MIT",
            language="en",
            own={"deep": [1, None, "x"]},
        )
        writer.add(full)
        talk = [Turn.of_text("User", "Hi."), Turn.of_text("Assistant", "Hello.")]
        cast = [CastMember(name="User", kind="user"), CastMember(name="Assistant")]
        writer.add(Dialogue(id="plain", cast=cast, turns=talk, split="train", source="our own"))
    return DialogueSet.open(path)


def exported(name: str, data: DialogueSet, out: Path) -> ExportReport:
    return export_dataset(load_exporter(name), data.path, out)


@pytest.mark.parametrize("name", ["huggingface", "sillytavern"])
def test_targets_that_hold_everything_give_everything_back(name: str, tmp_path: Path) -> None:
    data = rich_set(tmp_path / "set")
    report = exported(name, data, tmp_path / "out")
    assert (report.dialogues, report.media, report.lost) == (2, 2, {})
    back, imports = imported(name, tmp_path / "out", tmp_path / "back")
    assert imports.problems == {}
    assert sorted(back, key=lambda dialogue: dialogue.id) == sorted(data, key=lambda dialogue: dialogue.id)
    assert back.character("mira") == data.character("mira")
    assert sorted(back.media) == sorted(data.media)


def test_load_dataset_opens_the_export(tmp_path: Path) -> None:
    from datasets import Image, load_dataset

    data = rich_set(tmp_path / "set")
    exported("huggingface", data, tmp_path / "out")
    loaded = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "test"}
    row = loaded["test"][0]
    assert [message["role"] for message in row["messages"]] == ["user", "user", "assistant"]
    assert row["images"][0].size == (12, 8)
    assert loaded["test"].features["images"].feature == Image()


def test_openai_holds_roles_words_and_media_and_names_the_rest(tmp_path: Path) -> None:
    data = rich_set(tmp_path / "set")
    report = exported("openai", data, tmp_path / "out")
    record = json.loads((tmp_path / "out/test.jsonl").read_text())
    assert [message["role"] for message in record["messages"]] == ["system", "user", "user", "assistant"]
    assert record["messages"][0]["content"] == "Keeps a lighthouse.\n\nA storm rises."
    assert [part["type"] for part in record["messages"][2]["content"]] == ["text", "image_url", "input_audio"]
    named = set(report.lost)
    assert named >= {
        "dialogue.id", "dialogue.holdout", "dialogue.group", "dialogue.folds", "dialogue.source", "dialogue.own",
        "turn.emotion", "turn.intent", "turn.action", "turn.rating", "turn.start", "turn.mood", "audio.text",
        "audio.words", "audio.start", "image.labels", "image.name", "text.translations", "character.first_mes",
        "that a speaker is a narrator", "original bytes of sounds that were converted to WAV (16 kHz, mono)",
    }  # fmt: skip
    back, imports = imported("openai", tmp_path / "out", tmp_path / "back")
    assert imports.problems == {}
    full = next(dialogue for dialogue in back if dialogue.split == "test")
    assert [(turn.speaker, turn.text) for turn in full.turns] == [
        (turn.speaker, turn.text) for turn in data.get("full/1").turns
    ]
    assert [part.kind for part in full.turns[1].parts] == ["text", "image", "audio"]
    assert full.turns[1].parts[1].media == data.get("full/1").turns[1].parts[1].media
    assert {member.name: member.kind for member in full.cast}["Mira"] == "character"
    plain = next(dialogue for dialogue in back if dialogue.split == "train")
    assert (plain.cast, plain.turns) == (data.get("plain").cast, data.get("plain").turns)


def test_every_filled_field_is_held_or_named(tmp_path: Path) -> None:
    """A field that comes back changed must have been named; nothing is lost in silence."""
    data = rich_set(tmp_path / "set")
    report = exported("openai", data, tmp_path / "out")
    back, _ = imported("openai", tmp_path / "out", tmp_path / "back")
    before = data.get("full/1")
    after = next(dialogue for dialogue in back if dialogue.split == "test")
    for name, value in before.model_dump(exclude_defaults=True, exclude={"turns", "cast", "scene"}).items():
        assert getattr(after, name, None) == value or f"dialogue.{name}" in report.lost, name
    for turn, again in zip(before.turns, after.turns, strict=True):
        for name, value in turn.model_dump(exclude_defaults=True, exclude={"parts"}).items():
            assert getattr(again, name, None) == value or f"turn.{name}" in report.lost, name


def test_sharegpt_alternates_and_keeps_media_beside(tmp_path: Path) -> None:
    data = rich_set(tmp_path / "set")
    report = exported("sharegpt", data, tmp_path / "out")
    (record,) = json.loads((tmp_path / "out/test.json").read_text())
    assert [saying["from"] for saying in record["conversations"]] == ["human", "gpt"]
    assert record["conversations"][0]["value"] == "Night.\nLook & listen 好:\n<image>\n<audio>"
    assert (tmp_path / "out" / record["images"][0]).read_bytes() == png()
    info = json.loads((tmp_path / "out/dataset_info.json").read_text())
    assert info["rich_test"]["columns"]["messages"] == "conversations"
    assert report.lost["border between turns of one side"] == 1
    assert report.lost["which of several people speaks"] == 2
    back, imports = imported("sharegpt", tmp_path / "out", tmp_path / "back")
    assert imports.problems == {}
    assert back.get("full/1").split == "test"
    assert [part.kind for part in back.get("full/1").turns[0].parts] == ["text", "image", "audio"]
    assert sorted(back.media) == sorted(data.media)
    assert back.get("plain").turns == data.get("plain").turns


def test_words_that_look_like_placeholders_are_named(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set") as writer:
        turns = [Turn.of_text("User", "What is <image>?"), Turn.of_text("Mira", "A tag.")]
        writer.add(Dialogue(id="1", cast=[CastMember(name="Mira")], turns=turns))
    report = export_dataset(load_exporter("sharegpt"), tmp_path / "set", tmp_path / "out")
    assert report.lost["a placeholder such as <image> that was a word"] == 1


def test_another_character_can_be_the_assistant(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set") as writer:
        turns = [Turn.of_text("Kai", "Who is there?"), Turn.of_text("Mira", "Me.")]
        cast = [CastMember(name="Kai"), CastMember(name="Mira")]
        writer.add(Dialogue(id="1", cast=cast, turns=turns))
    export_dataset(load_exporter("openai", {"character": "Mira"}), tmp_path / "set", tmp_path / "out")
    record = json.loads((tmp_path / "out/dialogues.jsonl").read_text())
    assert [(message["role"], message["name"]) for message in record["messages"]] == [
        ("user", "Kai"), ("assistant", "Mira"),
    ]  # fmt: skip


def test_a_folder_that_holds_something_is_not_overwritten(tmp_path: Path) -> None:
    data = rich_set(tmp_path / "set")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.doc").write_text("years of work")
    with pytest.raises(DataError, match="is not an empty folder"):
        exported("openai", data, tmp_path / "out")


def test_lines_and_media_that_are_broken_are_told(tmp_path: Path) -> None:
    data = rich_set(tmp_path / "set")
    with (data.path / "dialogues.jsonl").open("a") as file:
        file.write("{broken\n")
    data.media.path(data.get("full/1").turns[1].parts[1].media or "").unlink()
    report = exported("sharegpt", data, tmp_path / "out")
    assert len(report.unreadable) == 1
    assert report.lost["image that the data set itself lacks"] == 1
