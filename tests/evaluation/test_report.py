"""The page shows what happened, and nothing in the data can act on it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from ruxi.dialogues import CastMember, DatasetWriter, Dialogue, Part, Turn
from ruxi.evaluation import EvaluationData, Planned, Results, evaluate, make_task
from ruxi.evaluation.page import results_page
from ruxi.evaluation.report import write_report
from ruxi.evaluation.tables import as_number, side_by_side
from tests.evaluation.stage import ReplyingEngine, ScoringEngine, knows_the_answers, player, write_set
from tests.senses import png, wav

ATTACK = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'><b>"


class Page(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def sources(self, tag: str) -> list[str]:
        return [attributes.get("src") or "" for name, attributes in self.tags if name == tag]


def reported(tmp_path: Path, engine: ScoringEngine, data: EvaluationData, *names: str) -> tuple[Page, Results]:
    plan = [Planned(make_task(name, {"candidates": 3} if name == "next_reply" else {}), data) for name in names]
    identity = {"name": engine.name, "sha256": "a" * 64}
    results = evaluate(player(engine, tmp_path), identity, plan, tmp_path / "out")
    return Page(write_report(tmp_path / "out", results, plan).read_text(encoding="utf-8")), results


def test_items_are_shown_with_picture_dialogue_candidates_and_choice(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set")
    page, results = reported(tmp_path, ScoringEngine(knows_the_answers()), data, "next_reply", "guards")
    pictures = [source for source in page.sources("img") if source.startswith("media/")]
    assert pictures
    assert all((tmp_path / "out" / source).is_file() for source in page.sources("img"))
    assert "Question 3?" in page.text
    assert page.text.count("true · chosen · pmi") == 12
    assert page.text.count("Mira answers number 0 with words of her own.") >= 1
    assert "[1.000" not in page.text
    assert str(results.tasks[0].metrics[0].value)[:3] in page.text
    markdown = (tmp_path / "out" / "results.md").read_text()
    assert "| hits@1 ↑ | 1.000 |" in markdown


def test_a_long_list_of_candidates_is_folded_behind_the_best_ones_and_the_true_one(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set")
    # It likes the true reply least of all.
    knows = knows_the_answers()
    engine = ScoringEngine(lambda context, reply: -9.0 - 10 * knows(context, reply))
    plan = [Planned(make_task("next_reply", {"candidates": 8, "items": 1}), data)]
    results = evaluate(player(engine, tmp_path), {"name": "m"}, plan, tmp_path / "out")
    html = write_report(tmp_path / "out", results, plan).read_text(encoding="utf-8")
    page = Page(html)
    near, folded = html.partition("2 others")[::2]
    assert "true · pmi" in near
    assert near.count("· likelihood") == 6
    assert folded.count("· likelihood") == 2
    assert "could answer" in page.text
    assert "pmi: nats by which the dialogue makes it likelier" in page.text
    # What was said last stands beside the item's name.
    assert "Tell me more." in near.partition("</summary>")[0].rpartition("<summary>")[2]


def test_the_medium_of_another_item_is_shown_where_it_was_shown_to_the_model(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", dialogues=6)
    page, _ = reported(tmp_path, ScoringEngine(lambda context, reply: -1.0), data, "media_gain")
    words = [attributes.get("alt") for tag, attributes in page.tags if tag == "img"]
    assert words.count("Shown instead") == 6
    assert not any(sha256 in page.text for sha256 in data.media)


def test_nothing_from_data_or_models_becomes_markup(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set", name=f"evil{ATTACK}") as writer:
        sound = Part(kind="audio", media=writer.add_medium(wav()), text=ATTACK)
        picture = Part(kind="image", media=writer.add_medium(png()), text=ATTACK)
        for number in range(4):
            speaker = f"{ATTACK}{number}"
            cast = [CastMember(name="human", kind="user"), CastMember(name=speaker)]
            asked = Turn(speaker="human", parts=[picture, sound, Part(kind="text", text=ATTACK)])
            turns = [asked, Turn.of_text(speaker, f"{ATTACK} {number}")]
            writer.add(Dialogue(id=f"{number}{ATTACK}", cast=cast, turns=turns, split="test"))
    engine = ReplyingEngine(lambda context: ATTACK)
    page, _ = reported(tmp_path, engine, EvaluationData(tmp_path / "set"), "next_reply", "guards")
    names = [tag for tag, _ in page.tags]
    assert names.count("script") == 1
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert all(source.startswith(("media/", "plots/")) for tag in ("img", "audio") for source in page.sources(tag))
    assert all((tmp_path / "out" / source).is_file() for source in page.sources("audio"))
    assert "default-src 'none'" in str(page.tags)
    assert ATTACK in page.text


def test_a_medium_that_is_gone_leaves_the_item(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", dialogues=6)
    engine = ScoringEngine(knows_the_answers())
    plan = [Planned(make_task("next_reply", {"candidates": 3}), data)]
    results = evaluate(player(engine, tmp_path), {"name": "m"}, plan, tmp_path / "out")
    for sha256 in list(data.media):
        data.media.path(sha256).unlink()
    page = Page(write_report(tmp_path / "out", results, plan).read_text(encoding="utf-8"))
    assert "Question 3?" in page.text
    assert not any(source.startswith("media/") for source in page.sources("img"))


def test_models_stand_side_by_side_with_the_best_in_bold(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set")
    plan = [Planned(make_task("next_reply", {"candidates": 3}), data)]
    several = []
    for name, score in (("weak", lambda context, reply: -1.0), ("strong", knows_the_answers())):
        engine = ScoringEngine(score, name=name)
        several.append((name, evaluate(player(engine, tmp_path), {"name": name}, plan, tmp_path / name)))
    lines = side_by_side(several).splitlines()
    assert lines[0] == "| task | items | metric | weak | strong | floors |"
    row = next(line for line in lines if "| hits@1 |" in line)
    assert "| 0.333 | **1.000** |" in row
    assert "chance 0.333" in row


def test_a_page_shows_models_and_ablations_with_seeds_items_differences_and_commands(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", dialogues=30)
    plan = [Planned(make_task("next_reply", {"candidates": 3}), data)]
    for name, score in (("weak", lambda context, reply: -1.0), ("strong", knows_the_answers(30))):
        facts = {"command": ["ruxi", "eval", f"/home/me/{name}/adapter", "--out=/home/me/out", "--preset", "quick"]}
        engine = ScoringEngine(score, name=name)
        evaluate(player(engine, tmp_path), {"name": name}, plan, tmp_path / name, facts=facts)
    page = results_page({"base": tmp_path / "weak", "ours": tmp_path / "strong"}, {"text_only": tmp_path / "weak"})
    models, ablation, origins = page.split("\n## ")[1:]
    assert "| task | items | metric | base | ours | floors |" in models
    assert "| next_reply@stage | 30 | hits@1 | 0.333 | **1.000** |" in models
    assert "| ours | next_reply@stage | hits@1 | +0.667 " in models
    assert "text\\_only" in ablation
    assert "likelihood mrr" not in ablation
    assert "seeds 0" in origins
    assert "`ruxi eval strong --out=out --preset quick`" in origins
    assert str(tmp_path) not in page
    assert "/home" not in page


def test_numbers_that_are_rounded_to_nothing_have_no_sign() -> None:
    assert [as_number(value) for value in (-0.0004, 0.0, -0.0006, 123.4, None)] == [
        "0.000", "0.000", "-0.001", "123.4", "–"
    ]  # fmt: skip


@pytest.mark.parametrize("field", ["metrics", "confusion", "turns"])
def test_plots_are_drawn_and_the_same_each_time(tmp_path: Path, field: str) -> None:
    from ruxi.evaluation.plots import write_plots
    from ruxi.evaluation.results import MetricResult, TaskResult

    metric = MetricResult(name="accuracy", value=0.5, low=0.4, high=0.6, floors={"chance": 0.25})
    details = {
        "metrics": {},
        "confusion": {"confusion": {"labels": ["a", "b"], "counts": [[3, 1], [0, 4]]}},
        "turns": {"by turn": [{"turn": 1, "items": 2, "hits@1": 1.0, "nats": 3.0}]},
    }[field]
    task = TaskResult(task="t", data="d", metrics=[metric], details=details)
    results = Results(model={}, seeds=[0], tasks=[task])
    first, second = (write_plots(tmp_path / folder, results) for folder in ("one", "two"))
    assert first == second
    path = f"plots/t@d-{field}.png"
    assert path in first["t@d"]
    assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()
