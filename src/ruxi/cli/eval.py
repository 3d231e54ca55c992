"""`ruxi eval`: measure a model, or compare two that were measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruxi.errors import EngineError, UsageError

if TYPE_CHECKING:
    from ruxi.evaluation import Results
    from ruxi.evaluation.runner import Progress


def evaluate(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="ruxi-mini, an adapter folder, a Hugging Face id, or a server's URL."),
    ] = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK[@DATA],…", help="What to measure; every task that fits the data by default."),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A data set, or a folder of data sets; may be repeated."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Tasks with their data and numbers of items: `quick` or `full`."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Result folder; eval/MODEL by default.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Take so many items of each task.")] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Run with the seeds 0 to N-1.")] = 1,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="TASK.NAME=VALUE", help="An option of a task; may be repeated."),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="URL", help="OpenAI-compatible server that judges replies.")
    ] = None,
    judge_model: Annotated[str, typer.Option(metavar="NAME", help="The judge's model on that server.")] = "default",
    engine: Annotated[str, typer.Option(metavar="NAME", help="What computes the model.")] = "torch",
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads for the computation.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Begin anew, whatever is in the result folder.")] = False,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Compare two result folders instead, item by item."),
    ] = None,
    folders: Annotated[
        list[str] | None,
        typer.Option("--table", metavar="[NAME=]DIR", help="Print result folders as one page of Markdown; repeated."),
    ] = None,
    ablation: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]DIR", help="Result folders for the page's table of ablations; repeated."),
    ] = None,
    list_tasks: Annotated[bool, typer.Option("--list", help="List the tasks with their options.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how well a model plays its roles.

    The result folder holds results.json, results.md, report.html, plots, and a record of every item. A stopped
    evaluation goes on where it was when the same command is given again.
    """
    if list_tasks:
        _list(as_json)
        return
    if folders or ablation:
        from ruxi.evaluation.page import results_page

        typer.echo(results_page(_named(folders), _named(ablation)), nl=False)
        return
    if compare is not None:
        _compare(*compare, out, as_json)
        return
    if model is None or not data:
        raise UsageError(
            "a model and data are needed",
            remedy="Write `ruxi eval MODEL --data DIR`; `ruxi eval --list` names the tasks.",
        )
    from ruxi.evaluation import Player, open_data
    from ruxi.evaluation.identity import model_identity, run_facts
    from ruxi.evaluation.planning import Wishes, plan_tasks
    from ruxi.evaluation.report import write_report
    from ruxi.evaluation.runner import evaluate as run
    from ruxi.runtime import load

    folder = out or Path("eval") / _folder_name(model)
    wishes = Wishes(
        tasks=[name for several in tasks or [] for name in several.split(",") if name],
        preset=preset,
        limit=limit,
        settings=_options(settings),
        judging={} if judge is None else {"url": judge, "model": judge_model},
    )
    todo = plan_tasks(open_data(data), wishes)
    plan = todo.planned
    for reason in todo.left_out:
        typer.echo(f"ruxi: left out: {reason}", err=True)
    if any(planned.task.needs for planned in plan):
        opened = load(model, engine=engine, threads=threads)
        player, identity = Player(opened), model_identity(model, opened)
    else:
        player, identity = Player(lambda: load(model, engine=engine, threads=threads)), {"name": model}
    try:
        with _bars(hidden=as_json) as progress:
            results = run(
                player,
                identity,
                plan,
                folder,
                seeds=range(seeds),
                facts=run_facts(),
                replace=replace,
                progress=progress,
            )
    except KeyboardInterrupt:
        typer.echo(f"ruxi: stopped; {folder} keeps what is done. Give the same command again to go on.", err=True)
        raise typer.Exit(130) from None
    write_report(folder, results, plan)
    _print(results, folder, as_json)
    if all(result.skipped for result in results.tasks):
        raise EngineError(f"no task could be done; {results.tasks[0].label}: {results.tasks[0].skipped}")


def _options(settings: list[str] | None) -> dict[str, dict[str, Any]]:
    import yaml

    options: dict[str, dict[str, Any]] = {}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        task, dot, option = name.strip().partition(".")
        if not equals or not dot:
            raise UsageError(f"{setting!r} is no option of a task", where="--set", remedy="Write TASK.NAME=VALUE.")
        options.setdefault(task, {})[option] = yaml.safe_load(value)
    return options


def _named(folders: list[str] | None) -> dict[str, Path]:
    """Folders by what they are to be called: by their own name unless another is given."""
    found: dict[str, Path] = {}
    for folder in folders or []:
        name, equals, path = folder.partition("=")
        if not equals or Path(folder).is_dir():
            name, path = Path(folder).name, folder
        if name in found:
            raise UsageError(f"two folders are called {name!r}", where=folder, remedy="Write NAME=DIR.")
        found[name] = Path(path)
    return found


def _folder_name(model: str) -> str:
    name = model.rstrip("/").removeprefix("https://").removeprefix("http://")
    return "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in name).strip("-.") or "model"


@contextmanager
def _bars(*, hidden: bool) -> Iterator[Progress]:
    """A bar a task on a terminal; one line a task elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr)
    if hidden or not console.is_terminal:
        last: set[str] = set()

        def told(label: str, done: int, total: int) -> None:
            if not hidden and done == total and label not in last:
                last.add(label)
                typer.echo(f"{label}: {total} items", err=True)

        yield told
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as bars:
        known: dict[str, Any] = {}

        def shown(label: str, done: int, total: int) -> None:
            if label not in known:
                known[label] = bars.add_task(label, total=total)
            bars.update(known[label], completed=done)

        yield shown


def _print(results: Results, folder: Path, as_json: bool) -> None:
    from ruxi.evaluation.tables import task_table

    if as_json:
        typer.echo(json.dumps({"folder": str(folder), **results.model_dump(mode="json")}, ensure_ascii=False))
        return
    for result in results.tasks:
        typer.echo(f"{result.label} ({result.items} items)")
        typer.echo(task_table(result))
    typer.echo(f"Everything is in {folder}; open {folder / 'report.html'} to browse the items.")


def _list(as_json: bool) -> None:
    from ruxi import plugins

    found = {}
    for name in plugins.names("tasks"):
        task = plugins.load("tasks", name)
        fields = task.Options.model_fields
        found[name] = {
            "summary": task.summary,
            "needs": sorted(task.needs),
            "options": {key: field.description or "" for key, field in fields.items()},
        }
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for name, described in found.items():
        typer.echo(f"{name:<24} {described['summary']} (needs {', '.join(described['needs'])})")
        for option, text in described["options"].items():
            typer.echo(f"    --set {name}.{option}=…  {text}")


def _compare(first: Path, second: Path, out: Path | None, as_json: bool) -> None:
    from ruxi.evaluation.comparison import compare_folders, comparison_table

    found = compare_folders(first, second)
    if out is not None:
        from ruxi import files

        files.write_text(out / "comparison.md", comparison_table(found))
        files.write_text(out / "comparison.json", found.model_dump_json(indent=1) + "\n")
    if as_json:
        typer.echo(found.model_dump_json())
        return
    typer.echo(comparison_table(found))
