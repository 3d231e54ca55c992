"""`ruxi data crowd`: ask people, by Label Studio, and bring their answers back."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruxi.cli.data import AsJson, counter
from ruxi.errors import DataError, UsageError

if TYPE_CHECKING:
    from ruxi.dialogues.crowd import Judgement, Task
    from ruxi.dialogues.store import DialogueSet

crowd = typer.Typer(
    name="crowd",
    help="Ask people by Label Studio and bring their answers back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Set = Annotated[Path, typer.Argument(metavar="SET", help="Folder of a data set.")]
Questions = Annotated[
    str, typer.Option(help="What to ask, separated by commas: emotion, intent, in_character, better_reply.")
]
Most = Annotated[int | None, typer.Option("--tasks", min=1, help="Tasks to make; a sample of the turns.")]
Gold = Annotated[int, typer.Option(min=0, help="Further tasks with known answers, to check the annotators.")]
Replies = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help='Replies to compare with the set\'s own: {"dialogue", "turn", "reply"} a line.'),
]
Url = Annotated[str, typer.Option(metavar="URL", help="Address of the Label Studio server.")]
TokenEnv = Annotated[str, typer.Option(help="Environment variable that holds the access token.")]
_DEFAULT = "emotion,intent,in_character"
_PERSONA = 600
_ENVIRONMENT = "LABEL_STUDIO_TOKEN"
_PROJECTS = "projects.json"


class How(StrEnum):
    """How choices are put together."""

    MAJORITY = "majority"
    DAWID_SKENE = "dawid-skene"


Method = Annotated[How, typer.Option(help="How choices are put together.")]
LeastGold = Annotated[float, typer.Option(min=0, max=1, help="Leave out people with fewer right gold answers.")]
Least = Annotated[float, typer.Option(min=0, max=1, help="Confidence from which a common answer is used.")]


@crowd.command("export")
def export(
    folder: Set,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for layouts, tasks, media and manifest.")],
    questions: Questions = _DEFAULT,
    most: Most = None,
    gold: Gold = 0,
    replies: Replies = None,
    media_url: Annotated[
        str, typer.Option(metavar="URL", help="Address of OUT/media as the annotators' browsers see it.")
    ] = "/data/local-files/?d=media",
    as_json: AsJson = False,
) -> None:
    """Write tasks for Label Studio; import each project's layout.xml and tasks.json there by hand."""
    from ruxi.dialogues.crowd import write_export
    from ruxi.dialogues.store import DialogueSet

    dataset = DialogueSet.open(folder)
    projects = write_export(dataset, _tasks(dataset, questions, most, gold, replies), out, media_url)
    counts = {project.name: len(project.tasks) for project in projects}
    if as_json:
        typer.echo(json.dumps({"out": str(out), "projects": counts}))
        return
    for name, count in counts.items():
        typer.echo(f"{out / name}: {count:,} tasks")


@crowd.command("send")
def send(
    folder: Set,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the manifest, which brings answers back.")],
    url: Url,
    title: Annotated[str | None, typer.Option(help="Title of the projects; the set's name unless given.")] = None,
    annotators: Annotated[int, typer.Option(min=1, help="People who shall answer each task.")] = 3,
    token_env: TokenEnv = _ENVIRONMENT,
    questions: Questions = _DEFAULT,
    most: Most = None,
    gold: Gold = 0,
    replies: Replies = None,
    as_json: AsJson = False,
) -> None:
    """Make projects with tasks and media on a Label Studio server."""
    from ruxi import files
    from ruxi.dialogues.crowd import projects_of, write_manifest
    from ruxi.dialogues.crowd.export import MANIFEST
    from ruxi.dialogues.crowd.server import LabelStudio
    from ruxi.dialogues.store import DialogueSet

    if out.exists() and any(out.iterdir()):
        raise DataError("the folder is not empty", where=str(out), remedy="Choose another folder.")
    dataset = DialogueSet.open(folder)
    tasks = _tasks(dataset, questions, most, gold, replies)
    if not tasks:
        raise DataError("no turn can be asked about", where=str(folder), remedy="Ask about other questions.")
    # The manifest is written first: what was sent can be brought back even if the server fails half-way.
    write_manifest(out / MANIFEST, tasks)
    made: dict[str, int] = {}
    with LabelStudio(url, _token(token_env)) as server:
        for project in projects_of(tasks):
            name = f"{title or dataset.info.name} ({project.name})"
            made[project.name] = server.make_project(project, name, dataset.media, annotators)
            files.write_text(out / _PROJECTS, json.dumps({"url": url, "projects": made}, indent=1) + "\n")
    if as_json:
        typer.echo(json.dumps({"projects": made, "tasks": len(tasks)}))
        return
    for name, number in made.items():
        typer.echo(f"{url.rstrip('/')}/projects/{number}: {name}")


@crowd.command("fetch")
def fetch(
    folder: Set,
    sent: Annotated[Path, typer.Argument(metavar="SENT", help="Folder that `send` made.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the data set with people's labels.")],
    token_env: TokenEnv = _ENVIRONMENT,
    method: Method = How.DAWID_SKENE,
    least_gold: LeastGold = 0.0,
    least: Least = 0.5,
    as_json: AsJson = False,
) -> None:
    """Bring answers back from the server that tasks were sent to."""
    from ruxi.dialogues.crowd import judgements_in
    from ruxi.dialogues.crowd.server import LabelStudio

    try:
        there = json.loads((sent / _PROJECTS).read_text())
        url, numbers = str(there["url"]), [int(number) for number in there["projects"].values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise DataError("holds no projects.json", where=str(sent), remedy="Give the folder that `send` made.") from None
    with LabelStudio(url, _token(token_env)) as server:
        people = server.people()
        found = [one for number in numbers for one in judgements_in(server.results(number))]
    named = [one._replace(annotator=people.get(one.annotator, one.annotator)) for one in found]
    _finish(folder, sent, out, named, (method, least_gold, least), as_json)


@crowd.command("import")
def import_(
    folder: Set,
    exported: Annotated[Path, typer.Argument(metavar="EXPORT", help="Folder that `export` made.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the data set with people's labels.")],
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="JSON exports of the projects.")],
    method: Method = How.DAWID_SKENE,
    least_gold: LeastGold = 0.0,
    least: Least = 0.5,
    as_json: AsJson = False,
) -> None:
    """Bring answers back from files that Label Studio exported as JSON."""
    from ruxi.dialogues.crowd import judgements_in

    found: list[Judgement] = []
    for path in results:
        try:
            found += judgements_in(json.loads(path.read_bytes()))
        except (OSError, ValueError, RecursionError):
            raise DataError("cannot be read as JSON", where=str(path), remedy="Export the project as JSON.") from None
    _finish(folder, exported, out, found, (method, least_gold, least), as_json)


def _finish(
    folder: Path, exported: Path, out: Path, found: list[Judgement], how: tuple[How, float, float], as_json: bool
) -> None:
    from ruxi.dialogues.crowd import import_results, read_manifest
    from ruxi.dialogues.crowd.export import MANIFEST
    from ruxi.dialogues.store import DialogueSet

    tasks = read_manifest(exported / MANIFEST)
    method, least_gold, least = how
    with counter(f"crowd {folder}", hidden=as_json) as count:
        report = import_results(
            DialogueSet.open(folder),
            tasks,
            found,
            out,
            method=method.value,
            least_gold=least_gold,
            least=least,
            on_progress=count,
        )
    if as_json:
        typer.echo(json.dumps(report.summary(), ensure_ascii=False))
    else:
        _print(report.summary(), out)


def _tasks(dataset: DialogueSet, questions: str, most: int | None, gold: int, replies: Path | None) -> list[Task]:
    from ruxi.dialogues.crowd import questions_named, tasks_of

    named = questions_named([name.strip() for name in questions.split(",") if name.strip()])
    personas = {}
    for identifier in dataset.character_ids():
        character = dataset.character(identifier)
        personas[character.name] = " ".join(character.description.split())[:_PERSONA]
    others = _replies(replies) if replies else None
    return tasks_of(dataset, named, most=most, gold=gold, replies=others, personas=personas)


def _replies(path: Path) -> dict[tuple[str, int], str]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=str(path), remedy="Check the path.") from None
    found = {}
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                entry = json.loads(line)
                found[str(entry["dialogue"]), int(entry["turn"])] = str(entry["reply"])
        except (ValueError, KeyError, TypeError) as error:
            remedy = 'Write {"dialogue": "id", "turn": 3, "reply": "text"}.'
            raise DataError(f"not a reply ({error})", where=f"{path}:{number}", remedy=remedy) from None
    return found


def _token(name: str) -> str:
    token = os.environ.get(name, "").strip()
    if not token:
        raise UsageError(f"{name} is not set", remedy="Put the access token of your account into it.")
    return token


def _print(summary: dict[str, Any], out: Path) -> None:
    typer.echo(f"{out}: {summary['judgements']:,} answers, {summary['preferences']:,} preference pairs")
    for question, value in summary["alpha"].items():
        shown = "not defined" if value is None else f"{value:.3f}"
        typer.echo(f"  {question}: Krippendorff's alpha {shown}, {summary['set_fields'].get(question, 0):,} turns set")
    for name, one in summary["annotators"].items():
        gold = f", gold {one['gold_accuracy']:.0%} of {one['gold_asked']}" if one["gold_asked"] else ""
        agreement = f", agrees {one['agreement']:.0%}" if one["agreement"] is not None else ""
        left_out = " (left out)" if name in summary["excluded"] else ""
        typer.echo(f"  {name}: {one['answers']:,} answers{gold}{agreement}{left_out}")
    if summary["foreign"]:
        typer.echo(f"  {summary['foreign']:,} answers belong to other tasks")
