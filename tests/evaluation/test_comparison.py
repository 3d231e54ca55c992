"""Two models side by side: only what both have is compared, and what is left out is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ruxi.errors import DataError
from ruxi.evaluation import EvaluationData, Planned, Results, evaluate, make_task
from ruxi.evaluation.comparison import compare_folders, comparison_table
from tests.evaluation.conftest import RuxiEval
from tests.evaluation.stage import ScoringEngine, SharedSpace, knows_the_answers, player, weather_set, write_set

OPTIONS = {"next_reply": {"candidates": 5}, "weather": {"generate": False}}


def run(tmp_path: Path, engine: ScoringEngine, out: str, *planned: tuple[str, EvaluationData]) -> Results:
    plan = [Planned(make_task(name, OPTIONS.get(name, {})), data) for name, data in planned]
    return evaluate(player(engine, tmp_path), {"name": engine.name}, plan, tmp_path / out)


def test_two_models_are_compared_on_the_items_that_both_have(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", dialogues=60)
    weak = ScoringEngine(lambda context, reply: -len(reply) / 9, name="weak")
    strong = ScoringEngine(knows_the_answers(60), name="strong")
    run(tmp_path, weak, "weak", ("next_reply", data), ("reply_likelihood", data))
    run(tmp_path, strong, "strong", ("next_reply", data))
    comparison = compare_folders(tmp_path / "weak", tmp_path / "strong")
    hits = next(d for d in comparison.differences if d.metric == "hits@1")
    assert (hits.better, hits.items) == ("second", 60)
    assert hits.difference == pytest.approx(hits.second - hits.first)
    assert hits.p_value < 0.01
    assert comparison.left_out == ["reply_likelihood@stage: done by weak only"]
    assert "strong" in comparison_table(comparison)
    backwards = compare_folders(tmp_path / "strong", tmp_path / "weak")
    assert next(d for d in backwards.differences if d.metric == "hits@1").better == "first"


def test_folders_without_a_task_in_common_are_refused(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set")
    run(tmp_path, ScoringEngine(knows_the_answers()), "one", ("next_reply", data))
    run(tmp_path, ScoringEngine(knows_the_answers()), "two", ("media_gain", data))
    with pytest.raises(DataError, match="no task in common"):
        compare_folders(tmp_path / "one", tmp_path / "two")
    with pytest.raises(DataError, match="ruxi eval"):
        compare_folders(tmp_path / "one", tmp_path / "nowhere")


@pytest.fixture
def unlike(tmp_path: Path) -> tuple[Path, Path]:
    """Result folders of a model without a shared space, and of one with it that did another task, too."""
    sky, stage = weather_set(tmp_path / "sky"), write_set(tmp_path / "set")
    run(tmp_path, ScoringEngine(lambda c, r: -1.0, name="plain"), "plain", ("weather", sky))
    seeing = SharedSpace(lambda first, sentence: float(sentence == "It is raining."))
    seeing.name = "seeing"
    run(tmp_path, seeing, "seeing", ("weather", sky), ("next_reply", stage))
    return tmp_path / "plain", tmp_path / "seeing"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_one_model_lacks_is_told_and_not_compared(
    unlike: tuple[Path, Path], tmp_path: Path, ruxi_eval: RuxiEval, order: tuple[int, int]
) -> None:
    folders = [unlike[place] for place in order]
    code, printed, _ = ruxi_eval("--compare", *folders, "--out", tmp_path / "both")
    assert code == 0
    assert "| weather@weather | accuracy | 0.250 | 0.250 | +0.000 [+0.000, +0.000] | 1.000 | – |" in printed
    assert "nan" not in printed
    told = ["weather@weather, space accuracy: measured of seeing only", "next_reply@stage: done by seeing only"]
    assert printed.endswith(f"\nLeft out:\n\n- {told[0]}\n- {told[1]}\n\n")
    kept = json.loads((tmp_path / "both" / "comparison.json").read_text())
    assert kept["left_out"] == told
    assert {one["metric"] for one in kept["differences"]} == {
        "accuracy by plain likelihood", "accuracy", "macro F1"
    }  # fmt: skip
    assert (tmp_path / "both" / "comparison.md").read_text() == printed[:-1]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_one_model_lacks_is_a_dash_in_the_table_of_several(
    unlike: tuple[Path, Path], ruxi_eval: RuxiEval, order: tuple[int, int]
) -> None:
    named = [f"{('plain', 'seeing')[place]}={unlike[place]}" for place in order]
    code, page, _ = ruxi_eval("--table", named[0], "--table", named[1])
    assert code == 0
    space = next(line for line in page.splitlines() if "| space accuracy |" in line)
    assert [cell.strip() for cell in space.split("|")[4:6]] == [("–", "0.250 [0.000, 0.750]")[place] for place in order]
    other = next(line for line in page.splitlines() if line.startswith("| next_reply@stage | 12 | hits@1 |"))
    assert other.split("|")[4 + order.index(0)].strip() == "–"
    assert "nan" not in page


def test_tasks_that_took_distractors_from_another_set_are_compared(tmp_path: Path) -> None:
    data, pool = write_set(tmp_path / "set"), write_set(tmp_path / "pool", name="pool")
    plan = [Planned(make_task("next_reply_same_role", {"candidates": 4, "pool": pool.path}), data)]
    for name, score in (("weak", lambda context, reply: -1.0), ("strong", knows_the_answers())):
        evaluate(player(ScoringEngine(score), tmp_path), {"name": name}, plan, tmp_path / name)
    found = compare_folders(tmp_path / "weak", tmp_path / "strong")
    assert found.differences[0].better == "second"


def test_two_evaluations_of_one_name_are_told_by_their_folders(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set")
    for out in ("one", "two"):
        run(tmp_path, ScoringEngine(knows_the_answers()), out, ("next_reply", data))
    found = compare_folders(tmp_path / "one", tmp_path / "two")
    assert (found.first, found.second) == (str(tmp_path / "one"), str(tmp_path / "two"))


def test_results_without_their_records_cannot_be_compared(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set")
    for out in ("one", "two"):
        run(tmp_path, ScoringEngine(knows_the_answers()), out, ("next_reply", data))
    next((tmp_path / "two" / "records").rglob("seed-0.jsonl")).unlink()
    with pytest.raises(DataError, match=r"seed-0\.jsonl: cannot be read .*whole result folder"):
        compare_folders(tmp_path / "one", tmp_path / "two")
