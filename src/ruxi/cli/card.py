"""`ruxi card`: look at a character card, check it, write it in another form.

Card text comes from strangers: control characters are made visible before anything is printed, markup is off, and the
author's instructions to the model are set apart.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ruxi.characters import Character
    from ruxi.characters.faults import Finding

card = typer.Typer(
    name="card",
    help="Look at a character card, check it, write it in another form.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_SECTIONS = {
    "description": "Description",
    "personality": "Personality",
    "scenario": "Scenario",
    "first_mes": "Greeting",
    "mes_example": "Example dialogues",
}
_INSTRUCTIONS = {
    "system_prompt": "before the dialogue, in place of your own",
    "post_history_instructions": "after the dialogue, in place of your own",
}


class Version(StrEnum):
    """Version of a card to write."""

    V2 = "v2"
    V3 = "v3"


@card.command("show")
def show(
    character: Annotated[str, typer.Argument(metavar="CARD", help="A card file, or a built-in character's name.")],
    language: Annotated[str | None, typer.Option(help="Language to show it in, for example zh.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as V3 JSON.")] = False,
) -> None:
    """Print who a character is, and what its card asks of the model."""
    from rich.console import Console

    from ruxi.characters import Character

    shown = Character.load(character)
    if language is not None:
        shown = shown.in_language(language)
    if as_json:
        typer.echo(shown.to_json())
        return
    console = Console(markup=False, highlight=False, emoji=False)
    _print_persona(shown, console)
    _print_instructions(shown, console)


@card.command("check")
def check(
    file: Annotated[str, typer.Argument(metavar="CARD", help="A card file, or a built-in character's name.")],
    as_json: AsJson = False,
) -> None:
    """List everything that is wrong or weak in a card. Exit code 1 if it cannot be loaded."""
    from ruxi.characters.checks import check as check_card

    findings = check_card(file)
    broken = any(finding.severity == "error" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"card": file, "loads": not broken, "findings": _as_dicts(findings)}, ensure_ascii=False))
    else:
        for finding in findings:
            typer.echo(_line(finding))
        verdict = "cannot be loaded" if broken else "can be loaded"
        typer.echo(f"{file}: {verdict}, {_counted(findings)}")
    if broken:
        raise typer.Exit(1)


@card.command("convert")
def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="A card file, or a built-in character's name.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to write: .json or .png.")],
    to: Annotated[
        Version, typer.Option(help="Version to write. A PNG of v3 also holds v2 for older programs.")
    ] = Version.V3,
    portrait: Annotated[Path | None, typer.Option(help="Picture for the card: PNG, JPEG, WebP and others.")] = None,
    language: Annotated[str | None, typer.Option(help="Write the card in this one of its languages.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a card in another form, and say what that form cannot hold."""
    from ruxi.characters import Character
    from ruxi.characters.checks import losses
    from ruxi.errors import UsageError

    if target.exists() and not force:
        raise UsageError("exists already", where=str(target), remedy="Give another name, or add --force.")
    converted = Character.load(source)
    if language is not None:
        converted = converted.in_language(language)
    if portrait is not None:
        converted.portrait = _read_portrait(portrait)
    if target.suffix.lower() == ".png" and converted.portrait is None:
        raise UsageError("a PNG card needs a portrait", where=source, remedy="Add --portrait FILE, or write .json.")
    converted.save(target, to.value)
    lost = losses(converted, to.value, target.suffix.lower())
    if as_json:
        written = {"written": str(target), "version": to.value, "losses": _as_dicts(lost)}
        typer.echo(json.dumps(written, ensure_ascii=False))
        return
    typer.echo(f"{target}: written as {to.value}" + ("; what it does not hold:" if lost else ", nothing is lost"))
    for finding in lost:
        typer.echo(_line(finding))


def _read_portrait(path: Path) -> bytes:
    import io

    from PIL import Image

    from ruxi.media import open_image

    picture = io.BytesIO()
    Image.fromarray(open_image(path).pixels).save(picture, "PNG", optimize=True)
    return picture.getvalue()


def _print_persona(character: Character, console: Console) -> None:
    from rich.rule import Rule
    from rich.text import Text

    from ruxi.characters.faults import printable

    console.print(Text(printable(character.name or "(no name)"), style="bold"))
    facts = {
        "Called": character.nickname or "",
        "Version": character.character_version,
        "By": character.creator,
        "Tags": ", ".join(character.tags),
        "Languages": ", ".join(character.languages),
        "Portrait": "yes" if character.portrait is not None else "none",
        "Notes": character.creator_notes,
    }
    for title, fact in facts.items():
        if fact:
            console.print(Text(f"{title}: {printable(fact)}"))
    for name, title in _SECTIONS.items():
        text = getattr(character, name).strip()
        if text:
            console.print(Rule(title, align="left"))
            console.print(Text(printable(text)))
    for index, greeting in enumerate(character.alternate_greetings, start=1):
        console.print(Rule(f"Other greeting {index}", align="left"))
        console.print(Text(printable(greeting)))
    entries = character.character_book.entries if character.character_book else []
    if entries:
        console.print(Rule(f"Lorebook: {len(entries)} entries", align="left"))
    for entry in entries:
        keys = "always" if entry.constant else ", ".join(entry.keys)
        state = "" if entry.enabled else " (off)"
        console.print(Text(printable(f"[{keys}]{state} {entry.content}")))


def _print_instructions(character: Character, console: Console) -> None:
    from rich.panel import Panel
    from rich.text import Text

    from ruxi.characters.faults import printable

    for name, place in _INSTRUCTIONS.items():
        text = getattr(character, name).strip()
        if text:
            title = f"{name}: untrusted instructions of the card's author, {place}"
            console.print(Panel(Text(printable(text)), title=Text(title), border_style="yellow"))
    if not any(getattr(character, name).strip() for name in _INSTRUCTIONS):
        console.print(Text("The card has no instructions of its own to the model."))


def _line(finding: Finding) -> str:
    from ruxi.characters.faults import printable

    where = f"{finding.field}: " if finding.field else ""
    return printable(f"  {finding.severity}: {where}{finding.problem.rstrip('.')}. {finding.remedy}")


def _as_dicts(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [
        {"severity": item.severity, "field": item.field, "problem": item.problem, "remedy": item.remedy}
        for item in findings
    ]


def _counted(findings: Sequence[Finding]) -> str:
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
