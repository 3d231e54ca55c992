"""`ruxi data distil`: a stronger model's replies as training dialogues."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruxi.cli.data import AsJson, resumable, tell
from ruxi.cli.remote_calls import agree
from ruxi.errors import DataError

if TYPE_CHECKING:
    from ruxi.training.remote_teacher import RemoteTeacher


class Turns(StrEnum):
    """Which replies are the teacher's."""

    LAST = "last"
    ALL = "all"


def distil(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder of a data set.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the teacher's dialogues.")],
    teacher: Annotated[
        str, typer.Option(metavar="URL", help="OpenAI-compatible server, e.g. http://localhost:8000/v1.")
    ],
    model: Annotated[str, typer.Option(metavar="NAME", help="Name of the server's model.")],
    split: Annotated[str, typer.Option(help="Split whose dialogues are taken; held-out ones never are.")] = "train",
    turns: Annotated[Turns, typer.Option(help="The last reply of each dialogue, or all.")] = Turns.LAST,
    limit: Annotated[int | None, typer.Option(min=1, help="Dialogues at most.")] = None,
    longest: Annotated[int, typer.Option(min=1, help="Longest reply, in words.")] = 120,
    pictures: Annotated[bool, typer.Option("--pictures", help="Send the pictures, too.")] = False,
    most_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Stop when so many tokens were read and written.")
    ] = None,
    key_env: Annotated[str, typer.Option(help="Environment variable that holds the server's key.")] = "OPENAI_API_KEY",
    price_in: Annotated[float | None, typer.Option(help="Price of a million tokens sent.")] = None,
    price_out: Annotated[float | None, typer.Option(help="Price of a million tokens received.")] = None,
    parallel: Annotated[int, typer.Option(min=1, help="Dialogues under way at the same time.")] = 4,
    yes: Annotated[bool, typer.Option("--yes", help="Call the server without asking.")] = False,
    cache: Annotated[Path | None, typer.Option(metavar="FILE", help="Where answers are kept.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let a stronger model take the characters' parts, to learn from. Start again after a stop to go on."""
    from ruxi import files, weights
    from ruxi.dialogues.store import DialogueSet
    from ruxi.evaluation.judge.client import ChatClient
    from ruxi.training.remote_teacher import RemoteTeacher

    name = files.sha256_of_bytes(f"{teacher} {model}".encode())[:16]
    answers = cache or weights.home() / "teachers" / f"{name}.jsonl"
    client = ChatClient(teacher, model, key=os.environ.get(key_env) or None, cache=answers)
    teaching = RemoteTeacher(
        DialogueSet.open(folder),
        client,
        split=split,
        turns=turns.value,
        limit=limit,
        longest=longest,
        send_pictures=pictures,
        parallel=parallel,
        most_tokens=most_tokens,
    )
    _confirm(teaching, model, (price_in, price_out), yes=yes, as_json=as_json)
    with resumable(f"distil {folder}", hidden=as_json) as count:
        report = teaching.run(out, count)
    words = (
        f"{out}: {report.dialogues:,} dialogues with {report.replies:,} replies by {model}\n"
        f"  {report.requests:,} requests and {report.cached:,} known answers, {report.unusable:,} unusable; "
        f"{report.prompt_tokens:,} tokens sent, {report.completion_tokens:,} received"
    )
    if report.stopped:
        words += "\nStopped at --most-tokens. With more of them, and another OUT, what was answered costs nothing."
    tell(report, words, as_json=as_json)


def _confirm(
    teaching: RemoteTeacher, model: str, prices: tuple[float | None, float | None], *, yes: bool, as_json: bool
) -> None:
    """Say what it may cost, and ask."""
    estimate = teaching.estimate(*prices)
    if not estimate.calls:
        raise DataError(
            "no character replies in a dialogue of this split that is not held out",
            remedy="Name another --split, or run `ruxi data split`.",
        )
    agree(model, f"at most {estimate.calls:,} requests", estimate, yes=yes, as_json=as_json)
