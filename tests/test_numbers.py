"""What the README and the model card say of `ruxi-mini` is what `docs/results.md` holds."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
METRICS = {
    "true replies, MMRole test, nats a token": ["reply_likelihood nats"],
    "next reply among 20, other roles, hits@1 / MRR": ["next_reply hits@1", "next_reply mrr"],
    "next reply among 20, same role, hits@1 / MRR": ["next_reply_same_role hits@1", "next_reply_same_role mrr"],
    "right picture over another one, nats a token": ["media_gain gain over shuffled"],
    "weather in a photograph: replies that are right": ["weather accuracy of replies"],
    "weather by the shared space": ["weather space accuracy"],
    "caption among 20, by likelihood / by the shared space": ["caption hits@1", "caption space hits@1"],
    "emotion of unseen voices, seven classes, unweighted": ["emotion_voice unweighted accuracy"],
    "emotion in MELD, weighted F1": ["emotion_text weighted F1"],
    "emotion of faces, seven classes, unweighted": ["emotion_face unweighted accuracy"],
    "intent in CPED, weighted F1": ["intent weighted F1"],
    "persona kept over its negation": ["persona kept over negated"],
    "asked who it is, says its own name": ["introduction says its name"],
}
"""The measures behind each line of those tables."""


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def as_quoted(text: str) -> str:
    """`**0.750** [0.635, 0.801]` as it is quoted: `.750 [.635, .801]`."""
    return re.sub(r"\b0(?=\.)", "", text.replace("*", "").replace("–", "-"))


def results() -> dict[str, tuple[str, str]]:
    """The values of the base model and of `ruxi-mini` by task and metric."""
    table = (ROOT / "docs" / "results.md").read_text(encoding="utf-8").split("## Models")[1].split("###")[0]
    found, task = {}, ""
    for name, _, metric, base, mini, _ in (cells(line) for line in table.splitlines() if line.startswith("| ")):
        task = name.partition("@")[0] or task
        found[f"{task} {metric}"] = (as_quoted(base), as_quoted(mini))
    return found


@pytest.mark.parametrize("page", ["README.md", "src/ruxi/model/adapters/ruxi-mini/README.md"])
def test_a_page_quotes_the_results(page: str) -> None:
    measured, quoted = results(), 0
    _, _, below = (ROOT / page).read_text(encoding="utf-8").partition("| | base | ruxi-mini |\n|---|---|---|\n")
    for line in takewhile(lambda line: line.startswith("|"), below.splitlines()):
        label, *values = cells(line)
        metrics = METRICS[re.sub(r" \(.*\)$", "", label)]
        for column, value in enumerate(values):
            for quote, metric in zip(value.split(" / "), metrics, strict=True):
                whole = measured[metric][column]
                assert quote in (whole, whole.partition(" ")[0]), line
                quoted += 1
    assert quoted >= 10
