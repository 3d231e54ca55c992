"""The command line: one file a command, each thin.

Nothing here imports torch or another heavy library before a command runs. A command is a function in a module of
this package; `_COMMANDS` names them, so that `ruxi --help` imports only what it prints.
"""

from __future__ import annotations

import errno
import sys

import typer

from ruxi import __version__
from ruxi.errors import RuxiError

app = typer.Typer(
    name="ruxi",
    help="Characters that see, hear and stay in role.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_UNWRITABLE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR,
    errno.ENAMETOOLONG,
}  # fmt: skip
"""What a folder may refuse a file for."""


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"ruxi {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
    ),
) -> None:
    """Characters that see, hear and stay in role."""


def _register_commands() -> None:
    """Import the thin command modules; each adds itself to `app`."""
    from ruxi.cli import commands

    commands.register(app)


def main() -> None:
    """Run a command; a user's mistake ends in one line on stderr, never in a traceback."""
    _register_commands()
    try:
        app()
    except RuxiError as error:
        typer.echo(f"ruxi: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        place = error.filename or "the disk"
        typer.echo(f"ruxi: {place}: {error.strerror}. Name another place, or make room there.", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("ruxi: stopped", err=True)
        sys.exit(130)
