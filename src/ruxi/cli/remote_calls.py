"""What calls of a server may cost is said, and agreed to, before the first is sent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from ruxi.errors import UsageError

if TYPE_CHECKING:
    from ruxi.dialogues.annotation.remote import Estimate


def agree(name: str, what: str, estimate: Estimate, *, yes: bool, as_json: bool) -> None:
    """Say what it may cost, and ask.

    Args:
        name: Who is called.
        what: How often.
        estimate: About how much is sent and comes back.
        yes: The user has agreed already.
        as_json: A program reads the output, so that nobody can be asked.

    Raises:
        UsageError: Nobody is there to agree.
        typer.Exit: The user does not.
    """
    price = f", about {estimate.price:,.2f} in your currency" if estimate.price is not None else ""
    typer.echo(
        f"{name}: {what}, about {estimate.input_tokens:,} tokens out and {estimate.output_tokens:,} back{price}",
        err=True,
    )
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise UsageError("nobody is there to agree to the remote calls", remedy="Add --yes.")
    if not typer.confirm("Send them?", err=True):
        raise typer.Exit(1)
