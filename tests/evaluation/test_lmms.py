"""Answering other people's questions, and lmms-eval's own tasks where it is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as Pillow

from ruxi.evaluation.answering import Answering
from tests.evaluation.stage import ReplyingEngine, ScoringEngine
from tests.tiny_models import save_llama


def answering(engine: ScoringEngine, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Answering:
    """An answerer whose eyes see one colour and whose ears hear one word."""
    from ruxi.scene import perception
    from tests.senses import senses

    monkeypatch.setenv("RUXI_HOME", str(folder))
    known = {"eyes": senses()["image"], "ears": senses()["audio"]}
    monkeypatch.setattr(perception, "load_extractor", known.__getitem__)
    perception._shared_extractor.cache_clear()
    engine.extractor_names = lambda: {"image": "eyes", "audio": "ears"}  # type: ignore[method-assign]
    return Answering(engine)


def test_answers_are_scored_with_the_pictures_and_sounds_of_their_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScoringEngine(lambda context, reply: -0.1 if "picture: red" in context and reply == "yes" else -2.0)
    one = answering(engine, monkeypatch, tmp_path)
    red, blue = (Pillow.new("RGB", (20, 20), colour) for colour in ("red", "blue"))
    questions = [("Is it red?", [red]), ("Is it red?", [blue]), ("Is it red?", [[red]]), ("Is it red?", [])]
    losses = one.losses(questions, [" yes", "yes", "yes", "yes"])
    assert [round(loss, 3) for loss, _ in losses] == [0.1, 2.0, 0.1, 2.0]
    assert [greedy for _, greedy in losses] == [True, False, True, False]


def test_replies_follow_the_settings_and_hear_sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ReplyingEngine(lambda context: "quiet." if "quiet" in context else "What?\nQuestion: next")
    one = answering(engine, monkeypatch, tmp_path)
    sound = {"array": np.full(16_000, 0.1), "sampling_rate": 16_000}
    assert one.reply("What do you hear?", [sound], {"max_new_tokens": 9}) == "quiet."
    assert engine.samplings[-1].temperature == 0
    assert engine.samplings[-1].max_tokens == 9
    assert one.reply("And now?", [], {"until": ["Question:"], "temperature": 0.7, "do_sample": True}) == "What?"
    assert engine.samplings[-1].temperature == 0.7
    picture = tmp_path / "a.png"
    Pillow.new("RGB", (20, 20), "green").save(picture)
    one.reply("What is it?", [str(picture)])
    assert [slot.kind for slot in engine.asked[-1].slots] == ["image"]
    with pytest.raises(TypeError, match="neither a picture"):
        one.reply("What is it?", [3])


def test_lmms_eval_finds_the_model_by_its_entry_point() -> None:
    (entry,) = entry_points(group="lmms_eval.models", name="ruxi")
    assert entry.value == "ruxi.evaluation.lmms:MANIFEST"


@pytest.mark.slow
def test_lmms_eval_runs_its_own_tasks_on_our_models(tmp_path: Path) -> None:
    lmms_eval = pytest.importorskip("lmms_eval")
    datasets = pytest.importorskip("datasets")
    save_llama(tmp_path / "llama")
    choices = {"text": ["Aye.", "No."], "label": ["A", "B"]}
    rows = [{"id": str(n), "question": "Well?", "choices": choices, "answerKey": "A"} for n in range(4)]
    datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / "data.parquet"))
    included = Path(lmms_eval.__file__).parent / "tasks/arc/arc_easy.yaml"
    (tmp_path / "task.yaml").write_text(
        f"include: {included}\ntask: ours\ndataset_path: parquet\ndataset_name: null\ntraining_split: null\n"
        f"validation_split: null\ndataset_kwargs:\n  data_files:\n    test: {tmp_path / 'data.parquet'}\n"
    )
    command = [
        sys.executable, "-m", "lmms_eval", "--model", "ruxi", "--model_args", f"pretrained={tmp_path / 'llama'}",
        "--include_path", str(tmp_path), "--tasks", "ours", "--output_path", str(tmp_path / "out"),
    ]  # fmt: skip
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=os.environ | offline, capture_output=True, timeout=300)
    (path,) = (tmp_path / "out").rglob("*results.json")
    assert json.loads(path.read_text())["results"]["ours"]["acc,none"] in (0.0, 1.0)


@pytest.mark.slow
def test_each_round_of_a_task_is_made_of_the_answers_before(tmp_path: Path) -> None:
    pytest.importorskip("lmms_eval")
    from ruxi.evaluation.lmms import RuxiModel

    save_llama(tmp_path / "llama")
    model = RuxiModel(str(tmp_path / "llama"))
    document = {"questions": ["Who?", "Where?", "Why?"]}
    model.task_dict = {"ours": {"test": [document]}}
    heard: list[tuple[int, int, object]] = []

    def following(document: dict, previous_output: list, round_idx: int, previous_round_info: object) -> tuple:
        heard.append((round_idx, len(previous_output), previous_round_info))
        ended = round_idx == len(document["questions"])
        words = None if ended else document["questions"][round_idx]
        return [], words, ended, previous_output, f"round {round_idx}"

    request = SimpleNamespace(args=("Who?", {"max_new_tokens": 4}, lambda document: [], following, 0, "ours", "test"))
    (answers,) = model.generate_until_multi_round([request])
    assert len(answers) == 3
    assert all(isinstance(answer, str) for answer in answers)
    assert heard == [(1, 1, None), (2, 2, "round 1"), (3, 3, "round 2")]
