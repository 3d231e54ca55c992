"""How far people agree, how good each of them is, and what they say together.

Krippendorff's alpha (Content Analysis, 2004): 1 is perfect agreement, 0 what chance gives. Dawid and Skene (1979)
estimate each annotator's confusion matrix along with the labels; both come from kept libraries.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ruxi.dialogues.crowd.label_studio import Judgement
from ruxi.dialogues.crowd.questions import QUESTIONS, STARS
from ruxi.dialogues.crowd.tasks import Task
from ruxi.dialogues.extra import require_extra

Method = Literal["majority", "dawid-skene"]


@dataclass(frozen=True)
class Verdict:
    """What people say together about one task and question.

    Attributes:
        value: The choice, or the mean number of stars as text.
        confidence: Probability of the choice; for stars, 1 minus the spread over half the scale.
        votes: How many people answered.
    """

    value: str
    confidence: float
    votes: int


@dataclass(frozen=True)
class Annotator:
    """How good one person is.

    Attributes:
        answers: Number of answers.
        gold_asked: Number of gold questions answered.
        gold_right: How many of them rightly.
        agreement: Share of the other people's answers to the same tasks that are the same (for stars, at most one
            apart); None when nobody else answered.
    """

    answers: int
    gold_asked: int
    gold_right: int
    agreement: float | None

    @property
    def gold_accuracy(self) -> float | None:
        """Share of gold questions answered rightly; None when none were asked."""
        return self.gold_right / self.gold_asked if self.gold_asked else None


def latest(judgements: Iterable[Judgement]) -> list[Judgement]:
    """One answer a person, task and question: the last one counts."""
    kept = {(one.task, one.question, one.annotator): one for one in judgements}
    return list(kept.values())


def alpha(judgements: Iterable[Judgement], question: str) -> float | None:
    """Krippendorff's alpha of one question: nominal for choices, ordinal for stars.

    Returns:
        None when fewer than two people answered the same task, or when all answers are the same.

    Raises:
        DataError: The extra `data` is not installed.
    """
    answers = [one for one in judgements if one.question == question]
    people = sorted({one.annotator for one in answers})
    tasks = sorted({one.task for one in answers})
    kind = QUESTIONS[question].kind
    values = [str(star) for star in range(1, STARS + 1)] if kind == "rating" else list(QUESTIONS[question].choices)
    table = np.full((len(people), len(tasks)), np.nan)
    for one in answers:
        table[people.index(one.annotator), tasks.index(one.task)] = values.index(one.value)
    shared = (~np.isnan(table)).sum(axis=0) > 1
    if not shared.any() or len(set(table[:, shared][~np.isnan(table[:, shared])])) < 2:
        return None
    level = "ordinal" if kind == "rating" else "nominal"
    return float(require_extra("krippendorff").alpha(reliability_data=table, level_of_measurement=level))


def quality(judgements: Iterable[Judgement], tasks: Mapping[str, Task]) -> dict[str, Annotator]:
    """How good each person is, by gold questions and by agreement with the others."""
    answers: dict[str, list[Judgement]] = defaultdict(list)
    by_place: dict[tuple[str, str], list[Judgement]] = defaultdict(list)
    for one in judgements:
        answers[one.annotator].append(one)
        by_place[one.task, one.question].append(one)
    found = {}
    for person, given in sorted(answers.items()):
        golden = [(one, tasks[one.task].gold[one.question]) for one in given if one.question in tasks[one.task].gold]
        pairs = [
            _same(one, other)
            for one in given
            for other in by_place[one.task, one.question]
            if other.annotator != person
        ]
        found[person] = Annotator(
            answers=len(given),
            gold_asked=len(golden),
            gold_right=sum(one.value == right for one, right in golden),
            agreement=sum(pairs) / len(pairs) if pairs else None,
        )
    return found


def verdicts(judgements: Iterable[Judgement], question: str, method: Method) -> dict[str, Verdict]:
    """What people say together, by task.

    Args:
        judgements: Everybody's answers.
        question: Which one; stars are always averaged.
        method: For choices. Dawid-Skene needs several people with many tasks each; with fewer than three people, or
            fewer than ten tasks, it has nothing to go by and the majority is taken.

    Raises:
        DataError: The extra `data` is not installed.
    """
    answers = [one for one in judgements if one.question == question]
    by_task: dict[str, list[str]] = defaultdict(list)
    for one in answers:
        by_task[one.task].append(one.value)
    if QUESTIONS[question].kind == "rating":
        return {task: _mean(stars) for task, stars in by_task.items()}
    people = {one.annotator for one in answers}
    if method == "dawid-skene" and len(people) >= 3 and len(by_task) >= 10:
        return _dawid_skene(answers, by_task)
    return {task: _majority(values) for task, values in by_task.items()}


def _same(one: Judgement, other: Judgement) -> bool:
    if QUESTIONS[one.question].kind == "rating":
        return abs(int(one.value) - int(other.value)) <= 1
    return one.value == other.value


def _majority(values: list[str]) -> Verdict:
    """The commonest answer; of equals the one that comes first in the alphabet, so that results repeat."""
    ranked = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    return Verdict(ranked[0][0], round(ranked[0][1] / len(values), 4), len(values))


def _mean(stars: list[str]) -> Verdict:
    numbers = np.array([int(star) for star in stars], dtype=float)
    spread = float(numbers.std()) / ((STARS - 1) / 2)
    return Verdict(f"{numbers.mean():.4g}", round(max(0.0, 1.0 - spread), 4), len(stars))


def _dawid_skene(answers: list[Judgement], by_task: Mapping[str, list[str]]) -> dict[str, Verdict]:
    pandas = require_extra("pandas")
    aggregation = require_extra("crowdkit.aggregation")
    table: Any = pandas.DataFrame(
        [(one.task, one.annotator, one.value) for one in answers], columns=["task", "worker", "label"]
    )
    model = aggregation.DawidSkene(n_iter=100, tol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of the library's use of pandas.
        probabilities = model.fit_predict_proba(table)
    best = probabilities.idxmax(axis=1)
    return {
        task: Verdict(str(best[task]), round(float(probabilities.loc[task].max()), 4), len(values))
        for task, values in by_task.items()
    }
