"""People are asked fairly, and what they answer comes back as labels, agreement and preference pairs."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ruxi.dialogues import Dialogue, Part, Turn
from ruxi.dialogues.crowd import (
    QUESTIONS,
    Judgement,
    Task,
    alpha,
    import_results,
    judgements_in,
    quality,
    questions_named,
    read_manifest,
    tasks_of,
    verdicts,
    write_export,
)
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import DataError, UsageError
from ruxi.files import sha256_of_bytes

from .conftest import LINES, dialogue, picture, sound, text

MakeSet = Callable[..., Path]
LABELS = questions_named(["emotion", "intent", "in_character"])


def answers(tasks: list[Task], judge: Callable[[Task, str], str | None], annotator: int | str) -> list[dict[str, Any]]:
    """One person's answers as Label Studio exports them."""
    exported = []
    for task in tasks:
        results = []
        for name in task.questions:
            value = judge(task, name)
            if value is not None:
                kind = "rating" if QUESTIONS[name].kind == "rating" else "choices"
                inner = {"rating": int(value)} if kind == "rating" else {"choices": [value]}
                results.append({"from_name": name, "to_name": "dialogue", "type": kind, "value": inner})
        annotation = {"completed_by": annotator, "result": results, "was_cancelled": False}
        exported.append({"data": {"task": task.key}, "annotations": [annotation]})
    return exported


def test_an_export_holds_layouts_tasks_and_media_but_no_right_answers(make_set: MakeSet, tmp_path: Path) -> None:
    image, voice = picture(), sound()
    shown = Turn(speaker="User", parts=[text("Look & <see>"), Part(kind="image", media=sha256_of_bytes(image))])
    heard = Turn(speaker="Mira", parts=[Part(kind="audio", media=sha256_of_bytes(voice), text="Aye.")], emotion="joy")
    folder = make_set(
        [
            dialogue(1, ("User", LINES[0]), Turn.of_text("Mira", LINES[1], emotion="pride")),
            dialogue(2, shown, heard),
        ],
        media=[image, voice],
    )
    dataset = DialogueSet.open(folder)
    tasks = tasks_of(dataset, LABELS, gold=2, personas={"Mira": "A harbour master."})
    projects = write_export(dataset, tasks, tmp_path / "out", "http://localhost/media")
    assert {project.name: len(project.tasks) for project in projects} == {"text": 2, "image": 1, "image+audio": 1}
    layout = ElementTree.fromstring((tmp_path / "out" / "image+audio" / "layout.xml").read_text())
    assert [one.get("value") for one in layout.iter("Image")] == [None]
    assert {one.get("name") for one in layout} >= {"image", "audio", "dialogue", "emotion", "intent", "in_character"}
    assert len(list(layout.iter("Choice"))) == 28 + 16
    stored = json.loads((tmp_path / "out" / "image+audio" / "tasks.json").read_text())
    data = stored[0]["data"]
    assert data["dialogue"] == [{"speaker": "User", "text": "Look & <see>"}, {"speaker": "Mira", "text": "Aye."}]
    assert data["images"] == [f"http://localhost/media/{sha256_of_bytes(image)}.png"]
    assert data["persona"] == "A harbour master."
    assert (tmp_path / "out" / "media" / f"{sha256_of_bytes(voice)}.wav").read_bytes() == voice
    everything = "".join(path.read_text() for path in (tmp_path / "out").glob("*/*.json"))
    assert "gold" not in everything
    assert "pride" not in everything
    manifest = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert sorted(task.gold.get("emotion", "") for task in manifest.values()) == ["", "", "joy", "pride"]
    with pytest.raises(DataError, match="not empty"):
        write_export(dataset, tasks, tmp_path / "out", "http://localhost/media")


def test_samples_are_repeatable_and_replies_stand_first_equally_often() -> None:
    dialogues = [dialogue(n, ("User", f"{LINES[0]} {n}"), ("Mira", f"{LINES[1]} {n}")) for n in range(200)]
    others = {(str(n), 1): f"Something else altogether, {n}." for n in range(200)}
    compare = questions_named(["better_reply"])
    tasks = tasks_of(dialogues, compare, replies=others)
    assert len(tasks) == 200
    assert 80 < sum(task.first_is_original for task in tasks) < 120
    assert all(len(task.lines) == 1 for task in tasks)
    sample = tasks_of(dialogues, LABELS, most=10)
    assert [task.key for task in sample] == [task.key for task in tasks_of(dialogues, LABELS, most=10)]
    assert len(sample) == 10
    with pytest.raises(UsageError, match="no question is called 'mood'"):
        questions_named(["mood"])


def test_alternatives_of_a_turn_are_compared() -> None:
    turn = Turn.model_validate({**Turn.of_text("Mira", LINES[1]).model_dump(), "alternatives": ["", LINES[2]]})
    tasks = tasks_of([dialogue(1, ("User", LINES[0]), turn)], questions_named(["better_reply"]))
    assert sorted(tasks[0].replies) == sorted([LINES[1], LINES[2]])


def crowd(
    truth: dict[str, str], accuracy: dict[str, float], question: str = "emotion", seed: int = 0
) -> list[Judgement]:
    draw = random.Random(seed)
    choices = ["joy", "anger", "sadness"]
    return [
        Judgement(
            task, question, person, right if draw.random() < share else draw.choice([c for c in choices if c != right])
        )
        for person, share in accuracy.items()
        for task, right in truth.items()
    ]


def test_alpha_is_one_for_agreement_and_zero_for_chance() -> None:
    truth = {f"t{n}": ("joy", "anger", "sadness")[n % 3] for n in range(300)}
    agreed = alpha(crowd(truth, {"a": 1.0, "b": 1.0}), "emotion")
    chance = alpha(crowd(truth, {"a": 1 / 3, "b": 1 / 3}), "emotion")
    assert agreed == pytest.approx(1.0)
    assert chance == pytest.approx(0.0, abs=0.1)
    assert alpha([Judgement("t", "emotion", "a", "joy")], "emotion") is None
    # For stars, a neighbour is a smaller disagreement than the other end of the scale.
    stars = {"near": "12", "far": "15"}
    found = {
        name: alpha(
            [Judgement(f"t{n}", "in_character", p, pair[(n % 3 == 0) and p == "b"]) for n in range(60) for p in "ab"]
            + [Judgement(f"u{n}", "in_character", p, str(1 + n % 5)) for n in range(60) for p in "ab"],
            "in_character",
        )
        for name, pair in stars.items()
    }
    assert (found["near"] or 0) > (found["far"] or 0) + 0.05


def test_dawid_skene_outweighs_a_careless_majority() -> None:
    truth = {f"t{n}": ("joy", "anger", "sadness")[n % 3] for n in range(150)}
    judged = crowd(truth, {"careful": 0.95, "steady": 0.9, "guess1": 0.34, "guess2": 0.34, "guess3": 0.34})
    right = {
        method: sum(verdict.value == truth[task] for task, verdict in verdicts(judged, "emotion", method).items())
        for method in ("majority", "dawid-skene")
    }
    assert right["dawid-skene"] > right["majority"] + 5
    assert right["dawid-skene"] >= 135
    two = verdicts(crowd(truth, {"a": 1.0, "b": 1.0}), "emotion", "dawid-skene")
    assert two["t0"].confidence == 1.0


def judged(source: Path, tasks: list[Task], people: dict[str, Callable[[Task, str], str | None]]) -> list[Judgement]:
    return [one for name, judge in people.items() for one in judgements_in(answers(tasks, judge, name))]


def test_answers_become_labels_and_a_careless_person_is_left_out(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set(
        [
            dialogue(
                n,
                ("User", f"{LINES[0]} {n}"),
                Turn.of_text("Mira", f"{LINES[1]} {n}", emotion="joy" if n < 5 else None),
            )
            for n in range(12)
        ]
    )
    dataset = DialogueSet.open(folder)
    tasks = tasks_of(dataset, LABELS, gold=5)

    def good(task: Task, question: str) -> str:
        return {"emotion": "joy", "intent": "statement", "in_character": "5"}[question]

    def careless(task: Task, question: str) -> str:
        return {"emotion": "anger", "intent": "question", "in_character": "1"}[question]

    report = import_results(
        dataset,
        {task.key: task for task in tasks},
        judged(folder, tasks, {"a": good, "b": good, "c": careless}),
        tmp_path / "out",
        least_gold=0.5,
    )
    assert report.excluded == ["c"]
    assert report.annotators["a"].gold_accuracy == 1.0
    assert report.annotators["c"].agreement == 0.0
    turn = DialogueSet.open(tmp_path / "out").get("8").turns[1]
    assert (turn.emotion, turn.intent, turn.rating) == ("joy", "statement", 1.0)
    assert turn.model_extra is not None
    assert {note["source"] for note in turn.model_extra["annotations"]} == {"people"}
    stored = json.loads((tmp_path / "out" / "crowd.json").read_text())
    assert stored["alpha"]["emotion"] is None
    assert quality([], {}) == {}


def test_comparisons_become_preference_pairs_whatever_stood_first(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set([dialogue(n, ("User", f"{LINES[0]} {n}"), ("Mira", f"{LINES[1]} {n}")) for n in range(20)])
    dataset = DialogueSet.open(folder)
    others = {(str(n), 1): "As an assistant I cannot take sides." for n in range(20)}
    tasks = tasks_of(dataset, questions_named(["better_reply"]), replies=others)

    def own(task: Task, question: str) -> str:
        if task.dialogue == "19":
            return "equal"
        return "first" if task.first_is_original else "second"

    report = import_results(
        dataset, {task.key: task for task in tasks}, judged(folder, tasks, {"a": own, "b": own}), tmp_path / "out"
    )
    pairs = [json.loads(line) for line in (tmp_path / "out" / "preferences.jsonl").read_text().splitlines()]
    assert report.preferences == len(pairs) == 19
    for pair in pairs:
        assert pair["rejected"] == "As an assistant I cannot take sides."
        assert pair["chosen"].startswith(LINES[1])
        prompt = Dialogue.model_validate(pair["prompt"])
        assert [turn.speaker for turn in prompt.turns] == ["User"]
        assert pair["speaker"] == "Mira"


def test_odd_exports_are_refused_or_passed_over() -> None:
    with pytest.raises(DataError, match="not a Label Studio export"):
        list(judgements_in({"tasks": []}))
    with pytest.raises(DataError, match="has no data"):
        list(judgements_in([{"annotations": []}]))
    odd = [
        {"data": {"task": "t"}, "annotations": [
            {"completed_by": {"email": "a@example.org"}, "result": [
                {"from_name": "emotion", "value": {"choices": ["rapture"]}},
                {"from_name": "emotion", "value": {"choices": ["joy"]}},
                {"from_name": "in_character", "value": {"rating": 9}},
                {"from_name": "mood", "value": {"choices": ["joy"]}}, "?", {"value": None},
            ]},
            {"completed_by": 2, "was_cancelled": True, "result": [
                {"from_name": "emotion", "value": {"choices": ["joy"]}},
            ]},
            {"completed_by": 3, "result": None}, None,
        ]},
    ]  # fmt: skip
    assert list(judgements_in(odd)) == [Judgement("t", "emotion", "a@example.org", "joy")]


def test_export_and_import_from_the_command_line(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set([dialogue(n, ("User", f"{LINES[0]} {n}"), ("Mira", f"{LINES[1]} {n}")) for n in range(3)])

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("ruxi")), "data", "crowd", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    done = run("export", folder, tmp_path / "tasks", "--questions", "intent", "--json")
    assert json.loads(done.stdout)["projects"] == {"text": 6}
    tasks = list(read_manifest(tmp_path / "tasks" / "manifest.jsonl").values())
    (tmp_path / "a.json").write_text(json.dumps(answers(tasks, lambda task, name: "statement", 1)))
    done = run("import", folder, tmp_path / "tasks", tmp_path / "out", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    assert "6 turns set" in done.stdout
    assert {turn.intent for one in DialogueSet.open(tmp_path / "out") for turn in one.turns} == {"statement"}
    (tmp_path / "bad.json").write_text("{")
    refused = run("import", folder, tmp_path / "tasks", tmp_path / "again", tmp_path / "bad.json")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    refused = run("send", folder, tmp_path / "sent", "--url", "http://127.0.0.1:9")
    assert "LABEL_STUDIO_TOKEN is not set" in refused.stderr
