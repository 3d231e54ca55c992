"""`ruxi data rehearse`: a model's own questions and answers, to be learnt again beside something new."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ruxi.cli.data import AsJson, resumable, tell
from ruxi.errors import UsageError


def rehearse(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The model as it was: adapter, folder or Hugging Face id.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for its dialogues.")],
    questions: Annotated[int, typer.Option(min=1, help="Questions that it makes up.")] = 1000,
    roles: Annotated[
        Path | None, typer.Option(metavar="SET", help="Data set whose characters answer; else the model itself does.")
    ] = None,
    about: Annotated[
        list[str] | None, typer.Option(metavar="SUBJECT", help="What is asked about; more than once for several.")
    ] = None,
    longest: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Seeds questions and roles.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Let a model ask itself what it knows, to be rehearsed in training. Start again after a stop to go on."""
    from ruxi.dialogues.store import DialogueSet
    from ruxi.runtime import load
    from ruxi.runtime.loading import is_url
    from ruxi.training.rehearsal import SUBJECTS, Rehearsal, roles_of

    if is_url(model):
        raise UsageError(
            "a server does not say what its user would ask",
            where=model,
            remedy="Name a model that this machine can load.",
        )
    cards = None if roles is None else roles_of(DialogueSet.open(roles))
    rehearsal = Rehearsal(load(model), cards, subjects=tuple(about or SUBJECTS), longest=longest, seed=seed)
    with resumable(f"rehearse {model}", hidden=as_json) as count:
        report = rehearsal.run(out, questions, count)
    words = (
        f"{out}: {report.dialogues:,} new dialogues, {report.kept:,} of an earlier run; "
        f"{report.unusable:,} questions came to nothing"
    )
    tell(report, words, as_json=as_json)
