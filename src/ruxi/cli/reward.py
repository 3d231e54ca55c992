"""`ruxi reward`: make a reward model of scored answers, and say how far it can be believed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def reward(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Scored answers: `ruxi data import mmrole-reviews`.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the reward model.")],
    base: Annotated[str, typer.Option(metavar="NAME", help="Model whose states it reads.")] = "smollm2-135m-instruct",
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Take so many answers.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads for the computation.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Distil a reward model from scored answers.

    It is a small regression on the states of a language model, checked on systems and roles that it has not seen, and
    compared with what the length of an answer alone predicts.
    """
    from ruxi.evaluation import EvaluationData, Player, TaskOptions
    from ruxi.evaluation.replies import drawn
    from ruxi.evaluation.reward import train_reward
    from ruxi.evaluation.tasks.judge_agreement import scored_answers
    from ruxi.runtime import load

    answers = EvaluationData(data)
    items = drawn(scored_answers(answers, TaskOptions()), limit, 0)
    engine: Any = load(base, threads=threads)
    shown = sys.stderr.isatty() and not as_json

    def progress(done: int, total: int) -> None:
        if shown:
            typer.echo(f"\rReading answers: {done} of {total}\x1b[K", err=True, nl=done == total)

    digest = engine.model.config.base_digest
    model = train_reward(items, Player(engine), answers, digest, cache=out / "cache", progress=progress)
    model.save(out)
    if as_json:
        typer.echo(json.dumps({"folder": str(out), **model.report}))
        return
    report = model.report
    typer.echo(f"{out}: {report['answers']:,} answers; rank correlation with their scores:")
    typer.echo(f"  {'length alone':<40}{report['length']['answers']:.3f}")
    relative = "length over the true reply's"
    typer.echo(f"  {relative:<40}{report[relative]['answers']:.3f}   (a reward model does not see the true reply)")
    for name in ("unseen systems", "unseen roles", "unseen systems and roles"):
        found = report[name]
        typer.echo(
            f"  {name:<40}{found['answers']:.3f}   {found['answers, length held fixed']:.3f} with length held fixed"
        )
    if report["beats length"]:
        typer.echo("  It beats length on all three.")
    else:
        typer.echo("  IT FAILS: length alone does as well. Do not use it.")
