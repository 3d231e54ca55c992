"""The judge: fair to both places, cached, resumable, and measured against scores that are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ruxi.dialogues import CastMember, DatasetWriter, Dialogue, Turn
from ruxi.errors import DataError, EngineError, UsageError
from ruxi.evaluation import EvaluationData, Planned, TaskResult, evaluate, make_task
from ruxi.evaluation.judge import METRICS, ChatClient, Judge
from ruxi.evaluation.judge.judging import Pair
from ruxi.media import MediaFolder
from ruxi.weights import require
from tests.evaluation.chat_server import ChatServer, llama_cpp, serving
from tests.evaluation.stage import ReplyingEngine, player, write_set

GOOD, BAD = "A fine reply.", "Bad."


def replies(body: dict[str, Any]) -> tuple[str, str]:
    data = json.loads(body["messages"][1]["content"])["replies"]
    return data["A"], data["B"]


def verdict(first: int, second: int) -> str:
    return json.dumps({name: {"A": first, "B": second} for name in METRICS})


def by_goodness(body: dict[str, Any]) -> str:
    return verdict(*(8 if reply == GOOD else 4 for reply in replies(body)))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RUXI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return


def pair(reply: str, reference: str) -> Pair:
    return Pair("Captain.", "Mira", Dialogue(id="d", turns=[Turn.of_text("Jo", "Well?")]), reply, reference)


def judged(server: ChatServer, *pairs: Pair, cache: Path | None = None) -> list[Any]:
    client = ChatClient(server.url, "m", cache=cache, sleep=lambda seconds: None)
    return Judge(client).judge(pairs, MediaFolder("nowhere"))


def test_each_pair_is_judged_in_both_orders(tmp_path: Path) -> None:
    with serving(by_goodness) as server:
        better, worse = judged(server, pair(GOOD, BAD), pair(BAD, GOOD))
    assert better.overall == pytest.approx(2.0)
    assert worse.overall == pytest.approx(0.5)
    assert better.bias == worse.bias == 0.0
    assert set(map(replies, server.asked)) == {(GOOD, BAD), (BAD, GOOD)}
    assert set(better.ratios) == set(METRICS)


def test_a_judge_that_likes_the_first_place_is_found_out_and_does_not_decide() -> None:
    with serving(lambda body: verdict(9, 6)) as server:
        (found,) = judged(server, pair(GOOD, BAD))
    assert found.bias == pytest.approx(3.0)
    assert found.own["Fluency"] == 7.5
    assert found.overall == pytest.approx((9 / 6 + 6 / 9) / 2)


def test_answers_are_kept_and_survive_a_kill(tmp_path: Path) -> None:
    cache = tmp_path / "answers.jsonl"
    with serving(by_goodness) as server:
        (first,) = judged(server, pair(GOOD, BAD), cache=cache)
        assert (first.calls, first.cached, first.prompt_tokens) == (2, 0, 200)
        # A kill in the middle of a line loses that answer alone.
        cache.write_bytes(cache.read_bytes()[:-9])
        (again,) = judged(server, pair(GOOD, BAD), cache=cache)
        assert (again.calls, again.cached) == (1, 1)
        assert again.ratios == first.ratios
        (third,) = judged(server, pair(GOOD, BAD), cache=cache)
        assert (third.calls, third.prompt_tokens) == (0, 0)
    assert len(server.asked) == 3


def test_unusable_answers_are_asked_again_and_then_given_up() -> None:
    texts = iter(["Well...", "```json\n" + verdict(8, 4) + "\n```", *["no idea"] * 9])
    with serving(lambda body: next(texts)) as server:
        client = ChatClient(server.url, "m", sleep=lambda seconds: None)
        judge = Judge(client, parallel=1)
        assert judge.judge([pair(GOOD, BAD)], MediaFolder("nowhere")) == [None]
    assert len(server.asked) == 4


@pytest.mark.parametrize("broken", [{"Fluency": {"A": 11, "B": 3}}, {"Fluency": {"A": "9", "B": 3}}, {"Fluency": {}}])
def test_scores_out_of_range_are_no_verdict(broken: dict[str, Any]) -> None:
    answer = json.dumps({**json.loads(verdict(5, 5)), **broken})
    with serving(lambda body: answer) as server:
        assert judged(server, pair(GOOD, BAD)) == [None]


def test_a_busy_server_is_waited_for_and_a_refusal_is_told() -> None:
    states = iter([(503, "busy"), (429, "slow down")])
    with serving(lambda body: next(states, None) or by_goodness(body)) as server:
        assert judged(server, pair(GOOD, BAD))[0].overall == pytest.approx(2.0)
    with serving(lambda body: (401, "no key")) as server, pytest.raises(EngineError, match=r"401.*no key"):
        judged(server, pair(GOOD, BAD))
    with pytest.raises(EngineError, match="no answer after 5 attempts"):
        judged(server, pair(GOOD, BAD))


def test_a_server_that_knows_no_schemas_is_asked_in_words() -> None:
    def rule(body: dict[str, Any]) -> str | tuple[int, str]:
        return (400, "unknown field response_format") if "response_format" in body else by_goodness(body)

    with serving(rule) as server:
        assert judged(server, pair(GOOD, BAD))[0].overall == pytest.approx(2.0)


def test_a_key_never_travels_unencrypted_to_another_machine() -> None:
    with pytest.raises(UsageError, match="unencrypted"):
        ChatClient("http://example.org/v1", "m", key="secret")
    with pytest.raises(UsageError):
        ChatClient("ftp://example.org", "m")


def run(tmp_path: Path, data: EvaluationData, task: str, out: str = "out", **options: object) -> TaskResult:
    engine = ReplyingEngine(lambda context: GOOD)
    plan = [Planned(make_task(task, options), data)]
    return evaluate(player(engine, tmp_path), {"name": "m"}, plan, tmp_path / out).tasks[0]


def test_made_up_replies_are_judged_and_the_cost_is_counted(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", dialogues=4)
    with serving(by_goodness) as server:
        result = run(tmp_path, data, "judge", url=server.url, price_in=10.0, price_out=100.0)
        assert result.metric("overall").value == pytest.approx(2.0)
        assert result.metric("better than the true reply").value == 1.0
        assert result.metric("Tone Consistency").value == pytest.approx(2.0)
        expected = {"judge": "default", "prompt tokens": 800, "completion tokens": 80, "calls": 8, "cached": 0}
        assert result.details["judge"] == {**expected, "cost": pytest.approx((800 * 10 + 80 * 100) / 1e6)}
        # The same replies, judged again for another evaluation, cost nothing.
        assert run(tmp_path, data, "judge", "again", url=server.url).details["judge"]["calls"] == 0
        assert len(server.asked) == 8
    with pytest.raises(DataError, match="needs a judge"):
        run(tmp_path, data, "judge", "none")


def test_a_judge_that_only_measures_length_is_told_from_one_that_reads(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set", name="scored") as writer:
        for number in range(40):
            quality = number % 7 + 1
            words = "x" * (10 + 37 * number % 90)
            reply = Turn.of_text(
                "Mira",
                f"{quality} {words}",
                scores={"Fluency": [quality, 5]},
                reference="5 ok",
                system=f"s{number % 5}",
            )
            turns = [Turn.of_text("Jo", f"Well, {number}?"), reply]
            writer.add(Dialogue(id=str(number), cast=[CastMember(name="Mira")], turns=turns, split="test"))
    data = EvaluationData(tmp_path / "set")

    def reads(body: dict[str, Any]) -> str:
        return verdict(*(int(reply[0]) for reply in replies(body)))

    def measures(body: dict[str, Any]) -> str:
        return verdict(*(min(10, 1 + len(reply) // 12) for reply in replies(body)))

    with serving(reads) as server:
        able = run(tmp_path, data, "judge_agreement", "able", url=server.url, model="able")
    with serving(measures) as server:
        fooled = run(tmp_path, data, "judge_agreement", "fooled", url=server.url, model="fooled")
    assert able.metric("answers").value == pytest.approx(1.0)
    assert able.metric("answers, length held fixed").value == pytest.approx(1.0, abs=0.01)
    assert able.metric("systems").value == pytest.approx(1.0)
    assert abs(fooled.metric("answers").value or 0) < 0.5
    assert abs(fooled.metric("answers").floors["length"] - (fooled.metric("answers").value or 0)) < 0.1


@pytest.mark.weights
@pytest.mark.slow
def test_llama_cpp_judges_in_the_form_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp")
    monkeypatch.delenv("RUXI_HOME")
    (gguf,) = require("smollm2-135m-instruct").glob("*.gguf")
    with llama_cpp(gguf) as url:
        client = ChatClient(url, "smollm2", cache=tmp_path / "answers.jsonl")
        asked = [pair("Aye, the storm is near.", "Hold the line!")]
        (found,) = Judge(client, parallel=1).judge(asked, MediaFolder("no"))
        assert found is not None
        assert set(found.ratios) == set(METRICS)
        assert all(1 <= score <= 10 for score in found.own.values())
        assert found.prompt_tokens > 200
        assert (found.calls, found.cached) == (2, 0)
        (again,) = Judge(client).judge(asked, MediaFolder("no"))
        assert again is not None
        assert (again.calls, again.cached, again.ratios) == (0, 2, found.ratios)
