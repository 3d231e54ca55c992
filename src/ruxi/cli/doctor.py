"""`ruxi doctor`: what works here, and what is missing."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ruxi.cli.diagnosis import Finding

_COLOURS = {"ok": "green", "missing": "red", "optional": "blue", "warning": "yellow"}


def doctor(
    context: typer.Context,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash the files of the pretrained parts again (about two seconds).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what works here, what is missing, and what to do about it.

    Exits 0 if the core works: its libraries and the parts of the default model, without extras. Exits 1 if not.
    """
    from ruxi.cli.diagnosis import examine, working

    findings = examine(verify=verify)
    commands = working([*_registered(context), "make demo"], findings)
    healthy = all(finding.state != "missing" for finding in findings)
    if as_json:
        rows = [dataclasses.asdict(finding) for finding in findings]
        typer.echo(json.dumps({"ok": healthy, "findings": rows, "commands": commands}))
    else:
        _print(findings, commands)
    raise typer.Exit(0 if healthy else 1)


def _print(findings: list[Finding], commands: dict[str, bool]) -> None:
    for group in dict.fromkeys(finding.group for finding in findings):
        typer.secho(group, bold=True)
        members = [finding for finding in findings if finding.group == group]
        if group == "libraries":
            # What is in order fits one line; only what is not deserves its own.
            fine = [f"{finding.name} {finding.detail}" for finding in members if finding.state == "ok"]
            typer.echo(f"  {_mark('ok')} {', '.join(fine)}")
            members = [finding for finding in members if finding.state != "ok"]
        for finding in members:
            remedy = f". {finding.remedy}" if finding.remedy else ""
            typer.echo(f"  {_mark(finding.state)} {finding.name}: {finding.detail}{remedy}")
    typer.secho("commands", bold=True)
    typer.echo(f"  work here: {', '.join(name for name, works in commands.items() if works) or 'none'}")
    if waiting := [name for name, works in commands.items() if not works]:
        typer.echo(f"  need something from above: {', '.join(waiting)}")


def _mark(state: str) -> str:
    return typer.style(f"{state:<8}", fg=_COLOURS[state])


def _registered(context: typer.Context) -> list[str]:
    parent = context.parent
    if parent is None or not isinstance(parent.command, typer.core.TyperGroup):
        return []
    return parent.command.list_commands(parent)
