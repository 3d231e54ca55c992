"""MMRole-Bench: prompts are taken apart into dialogues."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ruxi.dialogues import DialogueSet
from ruxi.dialogues.importers import import_dataset, load_importer
from tests.dialogues.sources import mmrole_reviews

_HEAD = "Please step into the shoes of Iron Man.\n\n\nThe description of Iron Man is as follows:\nRich."
_NOTES = (
    "\n\n\nThe auxiliary information of the image is as follows:\n - Character information: Thor\n"
    " - Place information: Asgard.\n - Scene information: A feast."
)
_ASK = "\n\n\nPlease respond to the following words of {} about the image in {} using the tone of Iron Man:\n"


def _item(identifier: str, kind: str, other: str, prompt: str, **fields: str) -> dict[str, str]:
    item = {"id": identifier, "split": "in", "type": kind, "role": "Iron Man", "other_role": other}
    return {**item, "image": "COCO/train2017/1.jpg", "prompt": prompt, "gold": "I see it.", **fields}


def _imported(folder: Path, *items: dict[str, str]) -> DialogueSet:
    source = folder / "source"
    source.mkdir()
    (source / "test.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    profiles = source / "profiles" / "in-distribution"
    profiles.mkdir(parents=True)
    (profiles / "profiles.json").write_text(json.dumps({"Iron Man": "Rich."}), encoding="utf-8")
    import_dataset(load_importer("mmrole-bench"), source, folder / "set")
    return DialogueSet.open(folder / "set")


def _said(data: DialogueSet, identifier: str) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in data.get(identifier).turns]


def test_history_question_and_gold_reply_become_turns(tmp_path: Path) -> None:
    history = (
        "\n\n\nThe conversation history between Iron Man and the curious human is as follows:\n"
        "[human]: Look!\nDo you see [that]: there?\n[Iron Man]: Yes."
    )
    prompt = _HEAD + _NOTES + history + _ASK.format("the curious human", "English") + "And now?\nWell?"
    data = _imported(tmp_path, _item("Iron_Man_d_7_3", "human-role", "a curious human", prompt))
    assert _said(data, "Iron_Man_d_7_3") == [
        ("human", "Look!\nDo you see [that]: there?"),
        ("Iron Man", "Yes."),
        ("human", "And now?\nWell?"),
        ("Iron Man", "I see it."),
    ]
    dialogue = data.get("Iron_Man_d_7_3")
    assert (dialogue.holdout, dialogue.split, dialogue.group, dialogue.language) == (True, "test", "Iron_Man_d_7", "en")
    assert dialogue.turns[0].parts[0].text == "Thor Place: Asgard. A feast."
    assert [member.character for member in dialogue.cast] == [None, "Iron Man"]


def test_an_opening_shows_a_picture_without_words(tmp_path: Path) -> None:
    prompt = _HEAD + "\n\n\nPlease initiate the conversation with Thor in Chinese using the tone of Iron Man, asking."
    data = _imported(tmp_path, _item("Iron_Man_o_1_0", "inter-role", "Thor", prompt))
    assert _said(data, "Iron_Man_o_1_0") == [("Thor", ""), ("Iron Man", "I see it.")]
    assert data.get("Iron_Man_o_1_0").turns[0].parts[0].kind == "image"
    assert data.get("Iron_Man_o_1_0").language == "zh"


def test_a_prompt_that_is_not_understood_is_reported(tmp_path: Path) -> None:
    prompt = _HEAD + _ASK.format("Thor", "English") + "Hm?"
    good = _item("Iron_Man_a_1_1", "inter-role", "Thor", prompt)
    data = _imported(tmp_path, good, _item("Iron_Man_b_1_1", "inter-role", "Thor", "Say something."))
    assert list(data.ids()) == ["Iron_Man_a_1_1"]
    problem = json.loads((tmp_path / "set" / "problems.jsonl").read_text().splitlines()[-1])
    assert (problem["line"], problem["lost"]) == (2, 1)


@pytest.mark.real_data
def test_all_published_items_are_read_with_the_pictures_that_are_here(real_data: Path, tmp_path: Path) -> None:
    # A way with '..' in it once made every picture look like it were outside the source.
    source = Path(os.path.relpath(real_data / "mmrole"))
    report = import_dataset(load_importer("mmrole-bench"), source, tmp_path / "set")
    assert (report.dialogues, report.with_media, report.lost) == (294, 97, 0)
    items = {item["id"]: item for item in map(json.loads, (real_data / "mmrole/test.jsonl").open(encoding="utf-8"))}
    for dialogue in DialogueSet.open(tmp_path / "set"):
        item, last = items[dialogue.id], dialogue.turns[-2]
        assert dialogue.turns[-1].text == item["gold"].strip()
        assert item["prompt"].endswith(last.text)
        assert dialogue.turns[-1].speaker == item["role"] != last.speaker


def test_a_scored_answer_stands_beside_the_gold_reply(tmp_path: Path) -> None:
    report = import_dataset(load_importer("mmrole-reviews"), mmrole_reviews(tmp_path / "source"), tmp_path / "set")
    assert (report.dialogues, report.lost) == (1, 2)
    (dialogue,) = DialogueSet.open(tmp_path / "set")
    reply = dialogue.turns[-1]
    assert (dialogue.id, dialogue.group, reply.text) == ("Loki_1_1:a-model", "Loki_1_1", "Yes.")
    assert reply.rating == pytest.approx(0.7)
    assert reply.model_extra == {
        "scores": {"Fluency": [9.0, 10.0], "Personality": [5.0, 10.0]},
        "reference": "No.",
        "system": "a-model",
    }
