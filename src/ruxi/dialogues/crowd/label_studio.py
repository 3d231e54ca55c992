"""Label Studio's formats: the XML of a project's layout, its tasks as JSON, its exported results.

Results are `{from_name, to_name, type, value}`. Tasks of one project have the same fields, because a layout that shows
a picture takes no task without one: so each form (text, with pictures, with a sound) becomes a project of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from xml.sax.saxutils import quoteattr

from ruxi.dialogues.crowd.questions import QUESTIONS, STARS, Question
from ruxi.dialogues.crowd.tasks import Form, Task
from ruxi.errors import DataError


class Judgement(NamedTuple):
    """One answer of one person.

    Attributes:
        task: Key of the task.
        question: Name of the question.
        annotator: Who answered.
        value: The choice, or the number of stars.
    """

    task: str
    question: str
    annotator: str
    value: str


def layout(form: Form, questions: Iterable[str]) -> str:
    """The XML of a project for tasks of one form and the same questions."""
    asked = [QUESTIONS[name] for name in questions]
    shown = ['  <Header value="$persona" size="6"/>']
    if "image" in form:
        shown.append('  <Image name="image" valueList="$images" maxWidth="480px"/>')
    if "audio" in form:
        shown.append('  <Audio name="audio" value="$audio"/>')
    shown.append('  <Paragraphs name="dialogue" value="$dialogue" layout="dialogue" nameKey="speaker" textKey="text"/>')
    if any(question.name == "better_reply" for question in asked):
        shown += [
            f'  <Header value="Reply {number}" size="5"/>\n  <Text name="reply_{number}" value="$reply_{number}"/>'
            for number in (1, 2)
        ]
    return "\n".join(["<View>", *shown, *(_control(question) for question in asked), "</View>"]) + "\n"


def as_task(task: Task, url_of: Mapping[str, str]) -> dict[str, Any]:
    """A task for import.

    Args:
        task: The task.
        url_of: Where the annotator's browser finds each medium, by SHA-256.

    Raises:
        DataError: A medium has no address.
    """
    data: dict[str, Any] = {
        "task": task.key,
        "persona": task.persona or " ",
        "dialogue": [line.model_dump() for line in task.lines] or [{"speaker": "…", "text": "…"}],
    }
    try:
        if task.images:
            data["images"] = [url_of[media] for media in task.images]
        if task.audio:
            data["audio"] = url_of[task.audio]
    except KeyError as error:
        raise DataError(
            f"task {task.key} shows the medium {error.args[0][:12]}, which is missing",
            remedy="Run `ruxi data check` on the set.",
        ) from None
    for number, reply in enumerate(task.replies, 1):
        data[f"reply_{number}"] = reply
    return {"data": data}


def judgements_in(exported: Any) -> Iterator[Judgement]:
    """The answers in a project's export (`JSON`, with all tasks).

    Annotations that were skipped or deleted do not count. Answers that no question offers are passed over.

    Raises:
        DataError: It is no such export.
    """
    if not isinstance(exported, list):
        raise DataError("not a Label Studio export", remedy="Export the project as JSON.")
    for task in exported:
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise DataError("not a Label Studio export: a task has no data", remedy="Export the project as JSON.")
        key = task["data"].get("task")
        for annotation in task.get("annotations") or []:
            if isinstance(key, str) and isinstance(annotation, dict) and not annotation.get("was_cancelled"):
                yield from _judgements(key, _person(annotation.get("completed_by")), annotation.get("result") or [])


def _judgements(key: str, person: str, results: Any) -> Iterator[Judgement]:
    for result in results if isinstance(results, list) else []:
        value = result.get("value") if isinstance(result, dict) else None
        question = QUESTIONS.get(str(result.get("from_name"))) if isinstance(result, dict) else None
        if question is None or not isinstance(value, dict):
            continue
        if question.kind == "choice":
            choices = value.get("choices")
            if isinstance(choices, list) and len(choices) == 1 and choices[0] in question.choices:
                yield Judgement(key, question.name, person, choices[0])
        elif isinstance(value.get("rating"), int) and 1 <= value["rating"] <= STARS:
            yield Judgement(key, question.name, person, str(value["rating"]))


def _person(completed_by: Any) -> str:
    """An annotator's number or address; old exports give a number, newer ones may give the person."""
    if isinstance(completed_by, dict):
        return str(completed_by.get("email") or completed_by.get("id") or "unknown")
    return str(completed_by) if completed_by is not None else "unknown"


def _control(question: Question) -> str:
    # Choices belong to the dialogue; that every object has a control of its own is not needed.
    header = f'  <Header value={quoteattr(question.title)} size="4"/>\n'
    if question.kind == "rating":
        return header + f'  <Rating name="{question.name}" toName="dialogue" maxRating="{STARS}" required="true"/>'
    hints = question.hints or ("",) * len(question.choices)
    choices = "\n".join(
        f"    <Choice value={quoteattr(choice)}" + (f" hint={quoteattr(hint)}" if hint else "") + "/>"
        for choice, hint in zip(question.choices, hints, strict=True)
    )
    shown = 'choice="single-radio" showInline="true" required="true"'
    return header + f'  <Choices name="{question.name}" toName="dialogue" {shown}>\n{choices}\n  </Choices>'
