"""`ruxi chat`: talk with a character, once or in the terminal.

Without a terminal to talk in, one turn is enough: `--say`, `--image`, `--audio` or `--video` print one reply. Only
that reply goes to the standard output; everything else goes to the standard error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ruxi.characters import Character
    from ruxi.runtime import Constraint, Engine, Sampling
    from ruxi.runtime.onnx.bundle import Precision
    from ruxi.scene import Reply, ReplyStream, Scene

DEFAULT_CHARACTER = "mira"
_INSTRUCTIONS = ("system_prompt", "post_history_instructions")


def chat(
    card: Annotated[
        str | None,
        typer.Argument(metavar="CARD", help=f"Card file or built-in character; {DEFAULT_CHARACTER} by default."),
    ] = None,
    say: Annotated[str | None, typer.Option(metavar="TEXT", help="Say this, print the reply, and leave.")] = None,
    image: Annotated[str | None, typer.Option(metavar="FILE", help="Show a picture: file or https URL.")] = None,
    audio: Annotated[str | None, typer.Option(metavar="FILE", help="Play a sound: file or https URL.")] = None,
    video: Annotated[str | None, typer.Option(metavar="FILE", help="Show a video: file or https URL.")] = None,
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAME|URL",
            help="What computes the replies: torch, onnx (fast), or an OpenAI-compatible server's URL.",
        ),
    ] = "torch",
    model: Annotated[
        str, typer.Option(metavar="NAME", help="ruxi-mini, a folder, a Hugging Face id, or a server's name of it.")
    ] = "ruxi-mini",
    user: Annotated[str | None, typer.Option(metavar="NAME", help="What the character calls you.")] = None,
    language: Annotated[
        str | None, typer.Option(metavar="CODE", help="Language of the card's texts, for example zh.")
    ] = None,
    emotion: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Emotion that replies should carry, for example joy.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same reply.")] = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="T", help="0 always takes the likeliest word; 0.8 by default.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(metavar="N", help="Longest reply, in tokens.")] = None,
    schema: Annotated[Path | None, typer.Option(metavar="FILE", help="JSON schema that every reply must fit.")] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the chat in this .jsonl file or folder, turn by turn.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(metavar="FILE", help="Go on with a saved chat.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reply as one JSON object.")] = False,
) -> None:
    """Talk with a character that sees, hears and stays in its role.

    Without --say, --image, --audio or --video the chat goes on in the terminal; /help lists what can be done there.
    """
    from ruxi.errors import UsageError
    from ruxi.scene.saved_chat import SavedChat
    from ruxi.scene.scene import check_emotion

    once = any(given is not None for given in (say, image, audio, video))
    if as_json and not once:
        raise UsageError("--json prints one reply", remedy="Add --say, --image, --audio or --video.")
    if resume is not None and (card or user or language):
        raise UsageError(
            "a saved chat brings its character, user and language with it",
            where="--resume",
            remedy="Leave out CARD, --user and --language.",
        )
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal without Unicode shows `?`
    # What can be wrong with the arguments is found before the model takes its seconds to load.
    sampling = _sampling(seed, temperature, max_tokens, schema)
    check_emotion(emotion)
    if resume is not None:
        SavedChat(resume).read()
    if save is not None:
        SavedChat.create(save)
    character = None if resume is not None else _character(card or DEFAULT_CHARACTER, language)
    for kind, source in (("image", image), ("audio", audio), ("video", video)):
        _check_medium(kind, source)
    scene = _scene(character, _load(model, engine), user, sampling, save, resume)
    if not once:
        from ruxi.cli.chat_terminal import ChatTerminal

        ChatTerminal(scene, emotion=emotion).run()
        return
    stream = scene.stream(say, image, audio, video, emotion=emotion)
    if as_json:
        _print_json(scene, stream.finish())
    else:
        _print_text(stream)


def _sampling(seed: int | None, temperature: float | None, max_tokens: int | None, schema: Path | None) -> Sampling:
    from ruxi.runtime import Sampling

    given = {"seed": seed, "temperature": temperature, "max_tokens": max_tokens, "constraint": _constraint(schema)}
    return Sampling(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def _constraint(schema: Path | None) -> Constraint | None:
    from ruxi.errors import UsageError
    from ruxi.runtime import Constraint

    if schema is None:
        return None
    try:
        found = json.loads(schema.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=str(schema), remedy="Check the path.") from None
    except ValueError as error:
        raise UsageError(f"not JSON ({error})", where=str(schema), remedy="Give a JSON schema.") from None
    constraint = Constraint.json_schema(found)
    constraint.check()
    return constraint


def _character(card: str, language: str | None) -> Character:
    from ruxi.characters import Character, builtin_names
    from ruxi.characters.faults import printable

    character = Character.load(card)
    if language is not None:
        character = character.in_language(language)
    if card not in builtin_names() or Path(card).is_file():
        for name in _INSTRUCTIONS:
            text = getattr(character, name).strip()
            if text:
                typer.echo(f"The card gives the model instructions of its own ({name}):", err=True)
                typer.echo("".join(f"  | {line}\n" for line in printable(text).splitlines()), err=True)
    return character


def _check_medium(kind: str, source: str | None) -> None:
    from ruxi.media import open_medium

    if source is not None:
        open_medium(source, kind)  # type: ignore[arg-type]  # one of the three kinds


def _load(model: str, engine: str) -> Engine:
    from ruxi.runtime import load

    options: dict[str, Any] = {"export": _export} if engine == "onnx" else {}
    shown = sys.stderr.isatty()
    if shown:
        typer.echo(f"Loading {model} …", err=True, nl=False)
    try:
        return load(model, engine=engine, **options)
    finally:
        if shown:
            typer.echo("\r\x1b[K", err=True, nl=False)


def _export(model: str, folder: Path, precision: Precision) -> None:
    """Make the bundle that the fast engine needs, the first time that it speaks with a model."""
    from ruxi.cli.compress import progress_bar
    from ruxi.compress.export import export

    typer.echo(f"\rExporting {model} for the fast engine, this once, to {folder}", err=True)
    with progress_bar(hidden=not sys.stderr.isatty()) as progress:
        export(model, folder, precision, progress=progress)


def _scene(
    character: Character | None,
    engine: Engine,
    user: str | None,
    sampling: Sampling,
    save: Path | None,
    resume: Path | None,
) -> Scene:
    from ruxi.scene import Scene

    if resume is not None:
        scene = Scene.load(resume, engine, sampling=sampling)
    else:
        assert character is not None  # noqa: S101 - only a resumed chat has none yet
        scene = Scene(character, engine, user=user or "User", sampling=sampling)
    if save is not None:
        scene.save(save)
    return scene


def _print_json(scene: Scene, reply: Reply) -> None:
    fields = {"character": scene.speaker, **reply.model_dump(mode="json", exclude={"seen"})}
    fields["seen"] = [label.model_dump(mode="json", exclude_none=True) for label in reply.seen]
    typer.echo(json.dumps(fields, ensure_ascii=False))


def _print_text(stream: ReplyStream) -> None:
    from ruxi.characters.faults import printable

    try:
        for piece in stream:
            typer.echo(printable(piece), nl=False)
            sys.stdout.flush()
    finally:
        stream.close()
        typer.echo()
