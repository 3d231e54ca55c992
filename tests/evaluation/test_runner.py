"""Evaluations that are right, repeatable, resumable, and never taken for others."""

from __future__ import annotations

import json
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ruxi.errors import UsageError
from ruxi.evaluation import EvaluationData, Planned, Results, evaluate, make_task
from ruxi.evaluation.results import TaskResult
from ruxi.evaluation.runner import floors_path, records_path
from tests.evaluation.stage import ScoringEngine, knows_the_answers, player, write_set

OPTIONS = {"next_reply": {"candidates": 5}, "media_gain": {}, "reply_likelihood": {}}


@pytest.fixture
def data(tmp_path: Path) -> EvaluationData:
    return write_set(tmp_path / "set")


def run(
    tmp_path: Path, data: EvaluationData, engine: ScoringEngine, out: str, *names: str, **options: object
) -> Results:
    plan = [Planned(make_task(name, OPTIONS[name]), data) for name in names or OPTIONS]
    identity = {"name": engine.name}
    return evaluate(player(engine, tmp_path), identity, plan, tmp_path / out, **options)  # type: ignore[arg-type]


def found(results: Results, task: str) -> TaskResult:
    return next(result for result in results.tasks if result.task == task)


def values(results: Results) -> dict[str, dict[str, float | None]]:
    return {task.label: {metric.name: metric.value for metric in task.metrics} for task in results.tasks}


def test_a_model_that_knows_every_reply_ranks_all_of_them_first(tmp_path: Path, data: EvaluationData) -> None:
    result = found(run(tmp_path, data, ScoringEngine(knows_the_answers()), "out", "next_reply"), "next_reply")
    assert result.items == 12
    for name in ("hits@1", "mrr", "likelihood hits@1", "likelihood mrr"):
        assert result.metric(name).value == 1.0
    assert result.metric("nats").value == pytest.approx(0.1)


def test_a_model_that_knows_nothing_is_at_chance(tmp_path: Path, data: EvaluationData) -> None:
    result = found(run(tmp_path, data, ScoringEngine(lambda context, reply: -1.0), "out", "next_reply"), "next_reply")
    hits = result.metric("hits@1")
    assert hits.value == pytest.approx(0.2)
    assert hits.floors["chance"] == pytest.approx(0.2)
    assert 0 <= hits.floors["TF-IDF"] <= 1


def test_shuffled_truths_fall_to_chance(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", dialogues=90)
    engine = ScoringEngine(knows_the_answers(90, shuffled=True))
    result = found(run(tmp_path, data, engine, "out", "next_reply"), "next_reply")
    hits = result.metric("hits@1")
    assert hits.low is not None
    assert hits.high is not None
    assert hits.low <= 0.2 <= hits.high


def test_pmi_is_not_fooled_by_replies_that_are_likely_anywhere(tmp_path: Path, data: EvaluationData) -> None:
    knows = knows_the_answers()

    def fluent(context: str, reply: str) -> float:
        # The lower the number in a reply, the likelier it is, with or without a dialogue before it.
        return knows(context, reply) / 10 - float(reply.split()[3]) if reply[-1:] == "." else -9.0

    result = found(run(tmp_path, data, ScoringEngine(fluent), "out", "next_reply"), "next_reply")
    assert result.metric("hits@1").value == 1.0
    assert result.metric("likelihood hits@1").value < 0.5  # type: ignore[operator]


def test_the_same_run_twice_gives_the_same_numbers_and_other_seeds_other_items(
    tmp_path: Path, data: EvaluationData
) -> None:
    engine = ScoringEngine(lambda context, reply: -zlib.crc32((context + reply).encode()) / 2**32)
    first, second = (run(tmp_path, data, engine, out, seeds=(0, 1)) for out in ("one", "two"))
    assert values(first) == values(second)
    hits = found(first, "next_reply").metric("mrr")
    assert hits.by_seed[0] != hits.by_seed[1]
    for name in ("next_reply", "media_gain"):
        label = f"{name}@{data.name}"
        one, two = (records_path(tmp_path / out, label, 0).read_bytes() for out in ("one", "two"))
        assert one == two


def test_a_stopped_evaluation_goes_on_and_ends_with_the_same_numbers(tmp_path: Path, data: EvaluationData) -> None:
    def score(context: str, reply: str) -> float:
        return -len(set(context) ^ set(reply)) / 7

    whole = run(tmp_path, data, ScoringEngine(score), "whole", "next_reply")
    stopped = ScoringEngine(score)

    def stop(label: str, done: int, total: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, data, stopped, "parts", "next_reply", progress=stop)
    path = records_path(tmp_path / "parts", f"next_reply@{data.name}", 0)
    # A kill in the middle of writing leaves half a line.
    path.write_bytes(path.read_bytes()[:-20])
    resumed = ScoringEngine(score)
    results = run(tmp_path, data, resumed, "parts", "next_reply")
    assert values(results) == values(whole)
    assert 0 < resumed.calls < stopped.calls + 20
    again = ScoringEngine(score)
    assert values(run(tmp_path, data, again, "parts", "next_reply")) == values(whole)
    assert again.calls == 0


def test_records_of_another_model_or_with_other_options_are_refused(tmp_path: Path, data: EvaluationData) -> None:
    engine = ScoringEngine(knows_the_answers())
    run(tmp_path, data, engine, "out", "next_reply")
    with pytest.raises(UsageError, match=r"another evaluation \(model differ\).*--replace"):
        run(tmp_path, data, ScoringEngine(knows_the_answers(), name="other"), "out", "next_reply")
    plan = [Planned(make_task("next_reply", {"candidates": 4}), data)]
    with pytest.raises(UsageError, match="options"):
        evaluate(player(engine, tmp_path), {"name": engine.name}, plan, tmp_path / "out")
    results = evaluate(player(engine, tmp_path), {"name": engine.name}, plan, tmp_path / "out", replace=True)
    assert found(results, "next_reply").metric("hits@1").floors["chance"] == pytest.approx(0.25)


def test_a_pool_is_known_by_what_it_holds_wherever_it_lies(tmp_path: Path, data: EvaluationData) -> None:
    def ask(pool: Path) -> int:
        engine = ScoringEngine(knows_the_answers())
        plan = [Planned(make_task("next_reply_same_role", {"candidates": 4, "pool": pool}), data)]
        evaluate(player(engine, tmp_path), {"name": engine.name}, plan, tmp_path / "out")
        return engine.calls

    assert ask(data.path) > 0
    assert ask(Path(shutil.copytree(data.path, tmp_path / "moved"))) == 0
    other = write_set(tmp_path / "other", dialogues=30)
    with pytest.raises(UsageError, match="options differ"):
        ask(other.path)


def test_items_that_do_not_fit_are_counted_and_do_not_end_the_evaluation(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", long=True)
    result = found(run(tmp_path, data, ScoringEngine(knows_the_answers()), "out", "next_reply"), "next_reply")
    assert (result.items, result.failed) == (11, 1)
    assert result.metric("hits@1").value == 1.0
    lines = records_path(tmp_path / "out", "next_reply@stage", 0).read_text().splitlines()
    (error,) = [record["shown"]["error"] for line in lines[1:] if "error" in (record := json.loads(line))["shown"]]
    assert "d00" in error
    assert "do not fit" in error


def test_the_right_picture_beats_another_one_only_for_a_model_that_looks(tmp_path: Path, data: EvaluationData) -> None:
    def looks(context: str, reply: str) -> float:
        shown = next((colour for colour in ("red", "green", "blue") if f"[picture: {colour}]" in context), None)
        said = next((colour for colour in ("red", "green", "blue") if f"Is it {colour}" in context), None)
        return -2.0 if shown is None else -1.0 if shown == said else -3.0

    gain = found(run(tmp_path, data, ScoringEngine(looks), "eyes", "media_gain"), "media_gain")
    assert gain.metric("gain over shuffled").value == pytest.approx(2.0)
    assert gain.metric("gain over none").value == pytest.approx(1.0)
    assert gain.metric("right beats shuffled").value == 1.0
    blind = found(run(tmp_path, data, ScoringEngine(lambda c, r: -1.0, name="b"), "blind", "media_gain"), "media_gain")
    assert blind.metric("gain over shuffled").value == 0.0
    assert blind.metric("right beats shuffled").value == 0.5


def test_a_model_that_looks_finds_the_reply_by_the_right_picture_and_by_chance_with_another(
    tmp_path: Path, data: EvaluationData
) -> None:
    def looks(context: str, reply: str) -> float:
        question = re.search(r"Is it (\w+), number (\d+)\?", context)
        seen = question is not None and f"[picture: {question[1]}]" in context
        return -1.0 if seen and f" number {question[2]} " in reply else -2.0

    def gains(score: Callable[[str, str], float], out: str) -> dict[str, float | None]:
        plan = [Planned(make_task("media_gain", {"candidates": 4}), data)]
        engine = ScoringEngine(score, name=out)
        (result,) = evaluate(player(engine, tmp_path), {"name": out}, plan, tmp_path / out).tasks
        return {
            metric.name: metric.value for metric in result.metrics if "hits" in metric.name or "over" in metric.name
        }

    seeing, blind = gains(looks, "eyes"), gains(lambda context, reply: -1.0, "blind")
    assert (seeing["hits@1 with right"], seeing["hits@1 gain over shuffled"]) == (1.0, 0.75)
    assert seeing["gain over shuffled"] == pytest.approx(1.0)
    assert (blind["hits@1 with right"], blind["hits@1 gain over shuffled"]) == (0.25, 0.0)


def test_items_with_pictures_from_training_are_marked_and_counted_apart(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", dialogues=9)
    red = write_set(tmp_path / "training", dialogues=1, split="train")

    def learnt(context: str, reply: str) -> float:
        # It has learnt the red picture by heart, and sees nothing in the others.
        return -1.0 if "[picture: red]" in context and "Is it red" in context else -3.0

    plan = [Planned(make_task("media_gain", {"trained_on": red.path}), data)]
    engine = ScoringEngine(learnt)
    (result,) = evaluate(player(engine, tmp_path), {"name": "m"}, plan, tmp_path / "out").tasks
    assert result.details == {"items with known media": 3}
    assert (result.metric("gain over shuffled").value or 0) > 0.4
    assert result.metric("gain over shuffled, unknown media").value == 0.0
    assert result.metric("gain over shuffled, unknown media").floors == {"blind": 0.0}


def test_wrong_task_options_are_named(data: EvaluationData) -> None:
    with pytest.raises(UsageError, match=r"candidates.*greater than or equal to 2"):
        make_task("next_reply", {"candidates": 1})
    with pytest.raises(UsageError, match=r"no task is called 'next'.*next_reply"):
        make_task("next")


def test_the_name_of_a_data_set_leads_nowhere(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", name="../../../elsewhere")
    run(tmp_path, data, ScoringEngine(knows_the_answers()), "deep/out", "next_reply")
    assert {path.name for path in tmp_path.iterdir()} == {"set", "deep", "features"}
    assert len(list((tmp_path / "deep/out/records").glob("*/seed-0.jsonl"))) == 1


def test_floors_are_kept_beside_the_records(tmp_path: Path, data: EvaluationData) -> None:
    run(tmp_path, data, ScoringEngine(knows_the_answers()), "out", "next_reply")
    lines = floors_path(tmp_path / "out", f"next_reply@{data.name}", 0).read_text().splitlines()
    assert {json.loads(line)["floor"] for line in lines} == {"TF-IDF", "TF-IDF, persona too", "chance"}
