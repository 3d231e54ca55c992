"""An export for Label Studio: a folder with one project for each form of task, and a manifest for the way back.

manifest.jsonl          every task with what annotators must not see
text/layout.xml         layout of the project
text/tasks.json         its tasks
image/…, audio/…        the same for tasks with pictures, with a sound, with both
media/                  the media that the tasks show
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from ruxi import files
from ruxi.dialogues.crowd.label_studio import as_task, layout
from ruxi.dialogues.crowd.tasks import Task
from ruxi.dialogues.store import DialogueSet
from ruxi.errors import DataError, MediaError

MANIFEST = "manifest.jsonl"


class Project(NamedTuple):
    """Tasks that share a layout: a name for it, its XML, and the tasks."""

    name: str
    layout: str
    tasks: list[Task]


def projects_of(tasks: list[Task]) -> Iterator[Project]:
    """The projects that tasks need: one for each form and set of questions."""

    def kind(task: Task) -> tuple[str, list[str]]:
        return task.form, task.questions

    for (form, questions), group in groupby(sorted(tasks, key=kind), kind):
        name = form if questions != ["better_reply"] else f"{form}-replies"
        shown = list(group)
        yield Project(name, layout(shown[0].form, questions), shown)


def write_export(dataset: DialogueSet, tasks: list[Task], out: Path, media_url: str) -> list[Project]:
    """Write tasks for somebody who imports them by hand.

    Args:
        dataset: Where the media come from.
        tasks: From `tasks_of`.
        out: A new folder.
        media_url: Address of the folder `media/` as the annotators' browsers see it.

    Raises:
        DataError: The folder is not free, or there are no tasks.
    """
    if not tasks:
        raise DataError("no turn can be asked about", where=str(dataset.path), remedy="Ask about other questions.")
    if out.exists() and any(out.iterdir()):
        raise DataError("the folder is not empty", where=str(out), remedy="Choose another folder.")
    projects = list(projects_of(tasks))
    with files.new_folder(out) as staging:
        urls: dict[str, str] = {}
        for media in sorted({media for task in tasks for media in (*task.images, task.audio) if media}):
            try:
                name = dataset.media.path(media).name
                files.write_bytes(staging / "media" / name, dataset.media.read(media))
            except MediaError:
                continue  # `as_task` names the task that needs it.
            urls[media] = f"{media_url.rstrip('/')}/{name}"
        for project in projects:
            shown = [as_task(task, urls) for task in project.tasks]
            files.write_text(staging / project.name / "layout.xml", project.layout)
            files.write_text(
                staging / project.name / "tasks.json", json.dumps(shown, ensure_ascii=False, indent=1) + "\n"
            )
        write_manifest(staging / MANIFEST, tasks)
    return projects


def write_manifest(path: Path, tasks: list[Task]) -> None:
    """Keep what is needed to bring answers back."""
    files.write_text(path, "".join(task.model_dump_json() + "\n" for task in tasks))


def read_manifest(path: Path) -> dict[str, Task]:
    """The tasks of an export by their keys.

    Raises:
        DataError: The file is missing or damaged.
    """
    try:
        lines = path.read_bytes().splitlines()
        tasks = [Task.model_validate_json(line) for line in lines if line.strip()]
    except (OSError, ValidationError) as error:
        raise DataError(
            f"cannot be read ({str(error).splitlines()[0]})", where=str(path), remedy="Give the manifest of the export."
        ) from None
    return {task.key: task for task in tasks}
