"""Every importer on a small source of our own; the real data sets are in `test_real_data.py`."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ruxi import plugins
from ruxi.dialogues import DialogueSet
from ruxi.dialogues.importers import import_dataset, load_importer
from ruxi.errors import DataError, UsageError
from tests.dialogues import sources
from tests.dialogues.sources import SOURCES, imported, png, write, write_lines


def texts(data: DialogueSet, number: int = 0) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in data.at(number).turns]


def test_every_registered_importer_is_tested_here() -> None:
    assert sorted(SOURCES) == plugins.names("importers")


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_what_comes_out_holds_together(name: str, tmp_path: Path) -> None:
    data, report = imported(name, SOURCES[name](tmp_path / "source"), tmp_path / "set")
    assert report.dialogues == len(data) > 0
    assert report.turns == sum(len(dialogue.turns) for dialogue in data)
    for dialogue in data:
        assert {turn.speaker for turn in dialogue.turns} <= {member.name for member in dialogue.cast}
        for member in dialogue.cast:
            if member.character is not None:
                assert data.character(member.character).name == member.name
        for turn in dialogue.turns:
            assert all(part.media is None or part.media in data.media for part in turn.parts)
    problems = tmp_path / "set" / "problems.jsonl"
    lines = problems.read_text().splitlines() if problems.exists() else []
    assert len(lines) == sum(report.problems.values()) == data.info.problems


def test_mmrole_keeps_the_held_out_ids_out_of_training(tmp_path: Path) -> None:
    source = sources.mmrole(tmp_path / "source")
    data, report = imported("mmrole", source, tmp_path / "set")
    held_out = data.get("Iron_Man_1")
    assert (held_out.split, held_out.holdout) == ("test", True)
    assert {dialogue.split for dialogue in data if not dialogue.holdout} == {"train"}
    assert report.languages == {"en": 4, "zh": 2}
    assert texts(data) == [("human", "What do you see?"), ("Iron Man", "A skyline that I could improve.")]
    card = data.character("Iron Man")
    assert card.description == "A rich inventor."
    assert card.extensions["ruxi"]["script"] == "The Avengers"
    assert card.extensions["ruxi"]["detailed_profile"] == {"catchphrase": "I am Iron Man."}
    still = data.get("Iron_Man_2").turns[0].parts[0]
    assert still.media in data.media
    assert still.text == "Iron Man. Place: New York."
    absent = held_out.turns[0].parts[0]
    assert (absent.kind, absent.media, absent.name) == ("image", None, "COCO/train2017/1.jpg")
    assert report.problems["empty"] == 1


def test_mmrole_drops_the_held_out_ids_when_asked(tmp_path: Path) -> None:
    data, _ = imported("mmrole", sources.mmrole(tmp_path / "source"), tmp_path / "set", {"holdout": "drop"})
    assert "Iron_Man_1" not in data
    assert len(data) == 5


def test_mmrole_without_the_hold_out_list_is_refused(tmp_path: Path) -> None:
    source = sources.mmrole(tmp_path / "source")
    (source / "holdout_dialogue_ids.txt").unlink()
    with pytest.raises(DataError, match="held-out ids cannot be read"):
        import_dataset(load_importer("mmrole"), source, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_mmrole_takes_pictures_from_coco_where_they_are(tmp_path: Path) -> None:
    write(tmp_path / "coco/train2017/1.jpg", png(9))
    options = {"coco": str(tmp_path / "coco")}
    data, report = imported("mmrole", sources.mmrole(tmp_path / "source"), tmp_path / "set", options)
    assert report.with_media == 6
    assert data.get("Iron_Man_1").turns[0].parts[0].media in data.media


def test_wesnoth_gives_speakers_cards_and_shows_portraits_when_they_change(tmp_path: Path) -> None:
    data, _ = imported("wesnoth", sources.wesnoth(tmp_path / "source"), tmp_path / "set")
    assert texts(data) == [
        ("Narrator", ""),
        ("Kai Krellis", "Is something wrong?"),
        ("Cylanna", "Maybe. I smell death."),
        ("Narrator", ""),
        ("Kai Krellis", "Then we fight."),
    ]
    first = data.at(0)
    assert first.turns[3].parts[0].text == "Kai Krellis, angry"
    assert first.turns[4].emotion == "anger"
    assert first.turns[1].parts[0].translations == {"zh": "出什么事了吗？"}
    assert data.character("Dead_Water Kai").description == "Kai Krellis: merman.\nA king."
    assert {member.kind for member in first.cast} == {"character", "narrator"}
    assert first.group == "Dead_Water"
    chinese, _ = imported("wesnoth", tmp_path / "source", tmp_path / "zh", {"language": "zh", "portraits": "none"})
    assert texts(chinese)[0] == ("Kai Krellis", "出什么事了吗？")


def test_wesnoth_scripts_give_what_is_said(tmp_path: Path) -> None:
    data, report = imported("wesnoth-wml", sources.wesnoth_wml(tmp_path / "source"), tmp_path / "set")
    assert [text for text in texts(data) if text[1]] == [
        ("Kai Krellis", 'Is something "wrong", priestess?'),
        ("Cylanna", "Maybe. I smell death."),
    ]
    assert texts(data, 1) == [("Narrator", "It was over.")]
    assert data.at(0).turns[2].model_extra == {"options": ["Fight"]}
    assert "Kings of the sea." in data.character("Dead_Water Kai Krellis").description
    assert report.problems == {}


def test_renpy_begins_a_dialogue_with_each_choice(tmp_path: Path) -> None:
    data, _ = imported("renpy", sources.renpy(tmp_path / "source"), tmp_path / "set")
    assert texts(data) == [
        ("Narrator", "The lecture is over."),
        ("Narrator", ""),
        ("Sylvie", "Hi there!"),
        ("Player", "Hello."),
        ("Player", "She looks happy, Player."),
    ]
    assert texts(data, 1) == [("Player", "Ask her."), ("Sylvie", "Sure!")]
    assert data.at(1).turns[1].emotion == "amusement"
    assert data.at(0).turns[4].action == "thinks"
    sprites = data.character("question Sylvie").extensions["ruxi"]["expressions"]
    assert sprites["smile"] in data.media
    assert {member.name: member.kind for member in data.at(0).cast}["Player"] == "user"


def test_renpy_scripts_keep_branches_apart_and_find_sprites_and_translations(tmp_path: Path) -> None:
    source = sources.renpy_script(tmp_path / "source")
    data, report = imported("renpy-script", source, tmp_path / "set")
    said = [[text for text in texts(data, number) if text[1]] for number in range(len(data))]
    assert said == [
        [
            ("Narrator", "The lecture is over."),
            ("Sylvie", 'Hi there! How was "class"?'),
            ("Player", "Good...\nI mean it."),
            ("Teacher", "Silence!"),
            ("Sylvie", "Well?"),
        ],
        [("Player", "Ask her."), ("Sylvie", "Sure, with pleasure.")],
        [("Player", "Go home.")],
        [("Player", "One paragraph."), ("Player", "Another one."), ("Sylvie", "If.")],
        [("Sylvie", "Else.")],
    ]
    shown = [part.name for turn in data.at(0).turns for part in turn.parts if part.kind == "image"]
    assert shown == ["game/images/bg park.png", "game/images/sylvie green smile.png"]
    assert report.problems == {}
    chinese, _ = imported("renpy-script", source, tmp_path / "zh", {"language": "zh"})
    assert texts(chinese)[2] == ("Sylvie", "嗨！")
    assert chinese.at(0).turns[2].parts[0].translations["en"].startswith("Hi there!")


def test_freedroidrpg_pairs_only_neighbours_and_counts_the_rest(tmp_path: Path) -> None:
    data, report = imported("freedroidrpg", sources.freedroidrpg(tmp_path / "source"), tmp_path / "set")
    assert texts(data) == [("Tux", "Hi."), ("Tutorial Tom", "Hello, Tux.")]
    assert data.at(0).turns[1].model_extra == {"following": ["Bye."]}
    assert texts(data, 1) == [("Tux", "B?"), ("Tutorial Tom", "%d!")]
    assert report.lost == 2
    assert "Guides the player." in data.character("Tom").description


def test_labels_of_the_emotion_sets_become_ours(tmp_path: Path) -> None:
    data, report = imported("meld", sources.meld(tmp_path / "meld"), tmp_path / "a")
    assert [dialogue.split for dialogue in data] == ["train", "validation", "test"]
    assert [turn.emotion for turn in data.at(0).turns] == ["surprise", None]
    assert report.problems == {"unknown label": 1}
    data, _ = imported("topical-chat", sources.topical_chat(tmp_path / "topical"), tmp_path / "b")
    assert [(turn.emotion, turn.rating) for turn in data.at(0).turns] == [
        ("curiosity", 0.25), ("joy", 1.0), ("neutral", None),
    ]  # fmt: skip
    assert data.at(0).split == "validation"
    data, _ = imported("cped", sources.cped(tmp_path / "cped"), tmp_path / "c")
    assert [(turn.emotion, turn.intent) for turn in data.at(0).turns] == [("surprise", "question"), (None, None)]
    assert data.character("32 于春晓").personality == "神经质高，外向性高，开放性低，尽责性高"
    data, _ = imported("ravdess", sources.ravdess(tmp_path / "ravdess"), tmp_path / "d")
    turn = data.at(0).turns[0]
    assert (turn.emotion, turn.parts[0].labels[0].name, turn.parts[0].end) == ("neutral", "calm", 0.25)


def test_the_same_persona_is_the_same_character(tmp_path: Path) -> None:
    data, report = imported("persona-chat", sources.persona_chat(tmp_path / "source"), tmp_path / "set")
    assert report.characters == 2
    first, second = data
    assert first.cast == second.cast
    assert data.character(first.cast[0].character or "").description == "I bake.\nI have a dog."


def test_pictures_come_out_of_a_zip_file_without_unpacking_it(tmp_path: Path) -> None:
    data, _ = imported("fer2013", sources.fer2013(tmp_path / "source"), tmp_path / "set")
    assert data.media.read(data.get("train/happy/2").turns[0].parts[0].media or "") == png(1)
    assert [turn.emotion for dialogue in data for turn in dialogue.turns] == ["anger", "joy"]


def test_captions_are_the_answer_to_a_picture(tmp_path: Path) -> None:
    data, _ = imported("flickr8k", sources.flickr8k(tmp_path / "source"), tmp_path / "set")
    picture, caption = data.at(0).turns
    assert picture.parts[0].media in data.media
    assert (caption.text, caption.model_extra) == ("A dog.", {"alternatives": ["Dogs."]})


def test_sharegpt_puts_media_where_their_placeholders_stand(tmp_path: Path) -> None:
    data, report = imported("sharegpt", sources.sharegpt(tmp_path / "source"), tmp_path / "set")
    first = data.at(0)
    assert [(part.kind, part.text, part.name) for part in first.turns[0].parts] == [
        ("image", None, "pics/a.png"), ("text", "What is ", None), ("image", None, "pics/b.png"),
        ("text", "this?", None),
    ]  # fmt: skip
    assert data.character(first.cast[1].character or "").description == "You are a lighthouse keeper."
    assert texts(data, 1)[0] == ("User", "Write <image> in HTML.")
    assert report.problems == {}


def test_sharegpt_reports_placeholders_and_media_that_do_not_agree(tmp_path: Path) -> None:
    record = {"conversations": [{"from": "human", "value": "<image><image>"}, {"from": "owl", "value": "hu"}]}
    write_lines(tmp_path / "source/a.jsonl", [{**record, "images": "a.png"}])
    write(tmp_path / "source/a.png", png())
    data, report = imported("sharegpt", tmp_path / "source", tmp_path / "set")
    assert report.problems == {"missing medium": 1, "unknown label": 1}
    assert [turn.speaker for turn in data.at(0).turns] == ["User", "owl"]


def test_openai_parts_become_parts(tmp_path: Path) -> None:
    data, report = imported("openai", sources.openai(tmp_path / "source"), tmp_path / "set")
    assert [part.kind for part in data.at(0).turns[0].parts] == ["text", "image", "audio"]
    assert data.character(data.at(0).cast[1].character or "").description == "You are Mira."
    assert data.get("7").split == "train"
    assert report.media == 2


def test_files_outside_of_the_source_and_the_web_are_not_touched(tmp_path: Path) -> None:
    write(tmp_path / "secret.png", png())
    write(tmp_path / "source/link.txt", "")
    urls = ["../secret.png", str(tmp_path / "secret.png"), "https://127.0.0.1/a.png", "file:///etc/passwd", "a\0b"]
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    write_lines(tmp_path / "source/a.jsonl", [{"messages": [{"role": "user", "content": parts}]}])
    data, report = imported("openai", tmp_path / "source", tmp_path / "set")
    assert report.problems == {"missing medium": len(urls)}
    assert len(data.media) == 0
    _, report = imported("openai", tmp_path / "source", tmp_path / "set2", {"fetch": "true"})
    assert report.problems["broken medium"] >= 1  # A loopback address stays closed when fetching is on.


def test_bytes_that_are_no_picture_are_reported(tmp_path: Path) -> None:
    broken = [b"GIF89a", png()[:40], b"<html>", b""]
    urls = [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in broken]
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    write_lines(tmp_path / "source/a.jsonl", [{"messages": [{"role": "user", "content": parts}]}])
    _, report = imported("openai", tmp_path / "source", tmp_path / "set")
    assert report.problems == {"broken medium": len(broken)}


def test_huggingface_rows_show_their_picture_first(tmp_path: Path) -> None:
    data, report = imported("huggingface", sources.huggingface(tmp_path / "source"), tmp_path / "set")
    assert [part.kind for part in data.at(0).turns[0].parts] == ["image", "text"]
    assert data.at(0).model_extra == {"record": {"topic": "greeting"}}
    assert data.at(0).split == "train"
    assert report.problems == {}


def test_huggingface_reads_a_folder_of_save_to_disk(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    talk = [{"from": "human", "value": "Hi."}, {"from": "gpt", "value": "Hello."}]
    table = Dataset.from_dict({"conversations": [talk, talk], "id": ["a", "b"]})
    DatasetDict({"train": table, "validation": table.select([0])}).save_to_disk(str(tmp_path / "source"))
    data, report = imported("huggingface", tmp_path / "source", tmp_path / "set")
    assert report.splits == {"train": 2, "validation": 1}
    assert texts(data) == [("User", "Hi."), ("Assistant", "Hello.")]
    assert report.problems == {"duplicate id": 1}
    assert "a~2" in data


def test_huggingface_takes_a_column_of_plain_texts(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    (tmp_path / "source").mkdir()
    table = pyarrow.table({"utterances": [["Hi.", "Hello.", "Bye."]]})
    pyarrow.parquet.write_table(table, tmp_path / "source/a.parquet")
    data, _ = imported("huggingface", tmp_path / "source", tmp_path / "set", {"column": "utterances"})
    assert texts(data) == [("User", "Hi."), ("Assistant", "Hello."), ("User", "Bye.")]


def test_sillytavern_chats_with_their_user_folder(tmp_path: Path) -> None:
    from ruxi.characters import Character

    source = sources.sillytavern(tmp_path / "source")
    (source / "characters").mkdir()
    Character(name="Mira", description="A keeper.").save(source / "characters/Mira.json")
    data, report = imported("sillytavern", source, tmp_path / "set")
    dialogue = data.get("chats/Mira/one")
    assert [(member.name, member.kind, member.character) for member in dialogue.cast] == [
        ("Mira", "character", "Mira"), ("Ann", "user", None), ("System", "narrator", None),
    ]  # fmt: skip
    assert dialogue.turns[0].model_extra is not None
    assert dialogue.turns[0].model_extra["swipes"] == ["*waves* Hi!", "Yo."]
    assert dialogue.turns[1].parts[0].media in data.media
    assert report.problems == {}


def test_subtitles_become_turns_with_times(tmp_path: Path) -> None:
    data, report = imported("subtitles", sources.subtitles(tmp_path / "source"), tmp_path / "set")
    film, later, talk = data
    assert [(turn.speaker, turn.text, turn.start, turn.end) for turn in film.turns[1:]] == [
        ("Speaker", "Hello there,\nmy friend.", 1.0, 4.0),
        ("Speaker", "Who is it?", 5.0, 6.0),
        ("John", "Me.", 5.0, 6.0),
    ]
    assert film.turns[0].parts[0].media in data.media
    assert [(turn.speaker, turn.action) for turn in later.turns[1:]] == [("Narrator", "door slams")]
    assert [(turn.speaker, turn.text) for turn in talk.turns] == [("Mira", "Good morning."), ("Tom", "Is it?")]
    assert report.problems == {"missing medium": 1, "unreadable": 1}


def test_a_table_makes_dialogues_of_several_rows(tmp_path: Path) -> None:
    data, _ = imported("folder", sources.folder(tmp_path / "source"), tmp_path / "set")
    assert texts(data) == [("Ann", "First; still."), ("Mira", "Second.")]
    assert data.at(0).turns[0].model_extra == {"record": {"mood": "grey"}}
    sound, reply = data.at(1).turns
    assert (sound.parts[0].kind, sound.parts[0].text, sound.emotion) == ("audio", "what was said", "anger")
    assert (reply.speaker, reply.text) == ("Character", "I heard.")


def test_appending_a_second_source(tmp_path: Path) -> None:
    imported("meld", sources.meld(tmp_path / "a"), tmp_path / "set")
    data, _ = imported("cped", sources.cped(tmp_path / "b"), tmp_path / "set", mode="append")
    assert [dialogue.source for dialogue in data] == ["meld", "meld", "meld", "cped"]
    assert data.info.counts["characters"] == 1
    assert data.info.problems == 2


def test_a_source_of_another_kind_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    write_lines(tmp_path / "source/dialogues.jsonl", [{"hello": "world"}])
    with pytest.raises(DataError, match=r"no dialogue could be read as meld \(dialogues\.jsonl:1"):
        import_dataset(load_importer("meld"), tmp_path / "source", tmp_path / "set")
    with pytest.raises(DataError, match="no such file or folder"):
        import_dataset(load_importer("meld"), tmp_path / "nowhere", tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_wrong_names_and_options_say_what_there_is() -> None:
    with pytest.raises(UsageError, match="Known: cped, fer2013"):
        load_importer("mmroll")
    with pytest.raises(UsageError, match="Options: holdout, holdout_ids, coco"):
        load_importer("mmrole", {"holdouts": "drop"})
    with pytest.raises(UsageError, match="holdout: Input should be 'test' or 'drop'"):
        load_importer("mmrole", {"holdout": "train"})


def test_a_json_array_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    good = json.dumps({"conversations": [{"from": "human", "value": "Hi."}]})
    write(tmp_path / "source/a.json", f"[\n{good},\n{good},\n{{'bad'}},\n{good}]")
    data, report = imported("sharegpt", tmp_path / "source", tmp_path / "set")
    assert len(data) == 2
    (problem,) = report.examples["unreadable"]
    assert problem.line == 4
    assert "what follows is lost" in problem.problem


def test_characters_of_two_sources_with_one_name_are_kept_apart(tmp_path: Path) -> None:
    imported("mmrole", sources.mmrole(tmp_path / "a"), tmp_path / "set")
    second = sources.mmrole(tmp_path / "b")
    write(second / "profiles/in-distribution/profiles.json", json.dumps({"Iron Man": "A suit.", "孙悟空": "美猴王。"}))
    data, _ = imported("mmrole", second, tmp_path / "set", mode="append")
    first, again = data.get("Iron_Man_2").cast[1].character, data.get("Iron_Man_2~2").cast[1].character
    assert data.character(first or "").description == "A rich inventor."
    assert data.character(again or "").description == "A suit."
    assert len(data.character_ids()) == 3


def test_a_photograph_of_the_weather_is_asked_about_and_answered(tmp_path: Path) -> None:
    source = tmp_path / "weather"
    records = [{"image": f"images/rain/r{n}.png", "label": "rain", "split": "train"} for n in range(8)]
    write_lines(source / "metadata.jsonl", records)
    for record in records:
        write(source / record["image"], png())
    data, _ = imported("weather", source, tmp_path / "set")
    lengths = set()
    for dialogue in data:
        *before, question, answer = dialogue.turns
        lengths.add(len(before))
        assert [part.kind for part in question.parts] == ["image", "text"]
        assert question.text.endswith("?")
        assert answer.speaker == "Observer"
        assert "rain" in answer.text.lower()
    assert lengths == {0, 2}, "half of the dialogues have a history"
