"""Answers brought back: labels and ratings into a copy of the data set, comparisons into preference pairs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruxi import files
from ruxi.dialogues.annotation.items import notes_of, said_in, set_extra
from ruxi.dialogues.copying import copy_set, writer_like
from ruxi.dialogues.crowd.agreement import Annotator, Method, Verdict, alpha, latest, quality, verdicts
from ruxi.dialogues.crowd.label_studio import Judgement
from ruxi.dialogues.crowd.questions import BETTER_REPLY, EMOTION, IN_CHARACTER, INTENT, STARS
from ruxi.dialogues.crowd.tasks import Task
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import DataError

PREFERENCES = "preferences.jsonl"
REPORT = "crowd.json"
SOURCE = "people"


@dataclass
class CrowdReport:
    """What people's answers gave.

    Attributes:
        judgements: Number of answers that were used.
        foreign: Number of answers to tasks that are not in the manifest.
        alpha: Krippendorff's alpha by question.
        annotators: How good each person is.
        excluded: People whose answers were left out because of the gold questions.
        set_fields: Fields of turns that were set, by question.
        preferences: Number of preference pairs.
    """

    judgements: int = 0
    foreign: int = 0
    alpha: dict[str, float | None] = field(default_factory=dict)
    annotators: dict[str, Annotator] = field(default_factory=dict)
    excluded: list[str] = field(default_factory=list)
    set_fields: Counter[str] = field(default_factory=Counter)
    preferences: int = 0

    def summary(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "judgements": self.judgements,
            "foreign": self.foreign,
            "alpha": {name: None if value is None else round(value, 4) for name, value in self.alpha.items()},
            "annotators": {
                name: {
                    "answers": one.answers,
                    "gold_accuracy": one.gold_accuracy,
                    "gold_asked": one.gold_asked,
                    "agreement": one.agreement,
                }
                for name, one in self.annotators.items()
            },
            "excluded": self.excluded,
            "set_fields": dict(self.set_fields),
            "preferences": self.preferences,
        }


def import_results(
    source: DialogueSet,
    tasks: Mapping[str, Task],
    judgements: Sequence[Judgement],
    out: Path,
    *,
    method: Method = "dawid-skene",
    least_gold: float = 0.0,
    least: float = 0.5,
    on_progress: Callable[[int], None] = lambda count: None,
) -> CrowdReport:
    """Write a copy of a data set with people's labels, and the preference pairs beside it.

    Args:
        source: The data set that the tasks were made from.
        tasks: The manifest.
        judgements: Everybody's answers.
        out: Folder of the copy; it must not exist or be empty.
        method: How choices are put together.
        least_gold: People with a smaller share of right gold answers are left out.
        least: Confidence from which a common answer is used.
        on_progress: Called with the number of dialogues so far.

    Raises:
        DataError: No answer belongs to these tasks, or the copy cannot be written.
    """
    report = CrowdReport()
    known = latest(one for one in judgements if one.task in tasks)
    report.foreign = sum(one.task not in tasks for one in judgements)
    if not known:
        raise DataError("no answer belongs to these tasks", remedy="Give the manifest of the same export.")
    report.annotators = quality(known, tasks)
    report.excluded = [
        name
        for name, one in report.annotators.items()
        if one.gold_accuracy is not None and one.gold_accuracy < least_gold
    ]
    used = [one for one in known if one.annotator not in report.excluded]
    report.judgements = len(used)
    questions = sorted({one.question for one in used})
    report.alpha = {question: alpha(used, question) for question in questions}
    found = {question: verdicts(used, question, method) for question in questions}
    places = _by_place(tasks, found)
    with writer_like(source, out) as writer:
        copier = copy_set(source, writer, without=frozenset({PREFERENCES, REPORT}))
        with files.writing(writer.folder / PREFERENCES) as preferences:
            for number, dialogue in enumerate(source, 1):
                for task, question, verdict in places.get(dialogue.id, ()):
                    if verdict.confidence >= least:
                        for pair in _apply(dialogue, task, question, verdict, report):
                            preferences.write(json.dumps(pair, ensure_ascii=False).encode() + b"\n")
                copier.add(dialogue)
                on_progress(number)
        files.write_text(writer.folder / REPORT, json.dumps(report.summary(), ensure_ascii=False, indent=1) + "\n")
    return report


def _by_place(
    tasks: Mapping[str, Task], found: Mapping[str, Mapping[str, Verdict]]
) -> dict[str, list[tuple[Task, str, Verdict]]]:
    places: dict[str, list[tuple[Task, str, Verdict]]] = {}
    for question, by_task in found.items():
        for key, verdict in by_task.items():
            task = tasks[key]
            if question not in task.gold:  # What is known already is not asked to be learnt.
                places.setdefault(task.dialogue, []).append((task, question, verdict))
    return places


def _apply(
    dialogue: Dialogue, task: Task, question: str, verdict: Verdict, report: CrowdReport
) -> Iterator[dict[str, Any]]:
    """Write a verdict into a turn, or give the preference pair that it makes."""
    if task.turn >= len(dialogue.turns):
        return
    turn = dialogue.turns[task.turn]
    if question == BETTER_REPLY.name:
        pair = _preference(dialogue, task, verdict)
        if pair is not None:
            report.preferences += 1
            yield pair
        return
    note = {
        "field": question,
        "name": verdict.value,
        "score": verdict.confidence,
        "source": SOURCE,
        "votes": verdict.votes,
    }
    if question == EMOTION.name:
        turn.emotion = verdict.value
    elif question == INTENT.name:
        turn.intent = verdict.value
    elif question == IN_CHARACTER.name:
        turn.rating = (float(verdict.value) - 1) / (STARS - 1)
    notes = [other for other in notes_of(turn) if (other.get("source"), other.get("field")) != (SOURCE, question)]
    set_extra(turn, "annotations", [*notes, note])
    report.set_fields[question] += 1


def _preference(dialogue: Dialogue, task: Task, verdict: Verdict) -> dict[str, Any] | None:
    """The dialogue before the turn, the better and the worse reply; None when neither is better or the turn changed."""
    own = said_in(dialogue.turns[task.turn])
    if verdict.value == "equal" or own not in task.replies:
        return None
    first, second = task.replies
    chosen, rejected = (first, second) if verdict.value == "first" else (second, first)
    prompt = dialogue.model_copy(update={"turns": dialogue.turns[: task.turn]})
    return {
        "prompt": json.loads(prompt.to_json()),
        "speaker": dialogue.turns[task.turn].speaker,
        "chosen": chosen,
        "rejected": rejected,
        "confidence": verdict.confidence,
        "votes": verdict.votes,
        "source": SOURCE,
    }
