"""The chat in the terminal: lines in, streamed replies out, and a handful of commands.

Ctrl-C stops a reply and keeps what was said; Ctrl-D leaves. Lines come through `readline` where the platform has it,
so that they can be edited and recalled. What characters and cards say is printed with control characters made visible.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ruxi.characters.faults import printable
from ruxi.errors import RuxiError, UsageError

if TYPE_CHECKING:
    from ruxi.dialogues import Turn
    from ruxi.scene import ReplyStream, Scene

_HELP = """\
/image FILE [WORDS]   show a picture, with or without words
/audio FILE [WORDS]   play a sound
/video FILE [WORDS]   show a video
/undo                 take back what you said last, with the answer
/retry                hear another answer
/save FILE            keep the chat in a .jsonl file or folder, from now on turn by turn
/load FILE            go on with a saved chat
/help                 this list
/quit                 leave (also Ctrl-D)
Ctrl-C                stop a reply; what was said is kept"""


class ChatTerminal:
    """A conversation in the terminal.

    Args:
        scene: The character on stage.
        emotion: The emotion that replies should carry, or None.
    """

    def __init__(self, scene: Scene, *, emotion: str | None = None) -> None:
        self._scene = scene
        self._emotion = emotion
        self._styled = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._commands: dict[str, Callable[[str], None]] = {
            "/image": lambda rest: self._show("image", rest),
            "/audio": lambda rest: self._show("audio", rest),
            "/video": lambda rest: self._show("video", rest),
            "/undo": self._undo,
            "/retry": self._retry,
            "/save": self._save,
            "/load": self._load,
            "/help": lambda rest: self._print(_HELP),
        }

    def run(self) -> None:
        """Talk until the user leaves."""
        self._prepare_editing()
        self._open()
        while True:
            try:
                line = self._read_line()
            except EOFError:
                break
            except KeyboardInterrupt:
                self._print("")
                continue
            if line.split(maxsplit=1)[:1] == ["/quit"]:
                break
            try:
                self._handle(line)
            except KeyboardInterrupt:
                self._print(self._dim("[stopped]"))
            except RuxiError as error:
                self._print(self._dim(f"! {printable(str(error))}"))
        self._leave()

    def _handle(self, line: str) -> None:
        if not line:
            return
        if not line.startswith("/"):
            self._follow(self._scene.stream(line, emotion=self._emotion))
            return
        name, _, rest = line.partition(" ")
        command = self._commands.get(name)
        if command is None:
            raise UsageError(f"there is no command {name}", remedy="/help lists them.")
        command(rest.strip())

    def _open(self) -> None:
        scene = self._scene
        self._print(self._dim(f"{printable(scene.speaker)} is here. /help lists the commands, Ctrl-D leaves."))
        turns = scene.dialogue.turns
        if not turns:
            greeting = scene.greet()
            if greeting is not None:
                self._print(f"{self._name()} {printable(greeting.text)}")
            return
        for turn in turns[-6:]:
            self._print(self._dim(printable(f"{turn.speaker}: {_words(turn)}")))
        if turns[-1].speaker != scene.speaker:
            self._print(self._dim("The last line has no answer yet; /retry asks for one."))

    def _leave(self) -> None:
        if sys.stdin.isatty():
            self._print("")
        if self._scene.path is not None:
            self._print(self._dim(f"Kept in {self._scene.path}"))

    def _show(self, kind: str, rest: str) -> None:
        if not rest:
            raise UsageError(f"/{kind} needs a file", remedy=f"Write /{kind} FILE, and words if you like.")
        file, words = _file_and_words(rest)
        media: dict[str, Any] = {kind: file}
        self._follow(self._scene.stream(words, **media, emotion=self._emotion))

    def _undo(self, rest: str) -> None:
        removed = self._scene.undo()
        if not removed:
            raise UsageError("there is nothing to take back")
        for turn in removed:
            self._print(self._dim(printable(f"taken back: {turn.speaker}: {_words(turn)}")))

    def _retry(self, rest: str) -> None:
        self._follow(self._scene.stream_retry(emotion=self._emotion))

    def _save(self, rest: str) -> None:
        if not rest:
            raise UsageError("/save needs a file", remedy="Write /save FILE.")
        self._print(self._dim(f"kept in {self._scene.save(_unquoted(rest))}"))

    def _load(self, rest: str) -> None:
        if not rest:
            raise UsageError("/load needs a file", remedy="Write /load FILE.")
        scene = self._scene
        self._scene = type(scene).load(_unquoted(rest), scene.engine, sampling=scene.sampling)
        self._open()

    def _follow(self, stream: ReplyStream) -> None:
        """Print a reply while it is spoken."""
        try:
            for label in stream.seen[:3]:
                self._print(self._dim(printable(f"  sees: {label.name} ({label.score:.0%})")))
            for heard in stream.heard:
                words = f'"{heard.text}" ({heard.confidence:.0%})' if heard.text else "no words"
                self._print(self._dim(printable(f"  hears: {words}")))
            self._print(f"{self._name()} ", end="")
            for piece in stream:
                self._print(printable(piece), end="")
        except KeyboardInterrupt:
            stream.close()
            self._print(self._dim(" [stopped]"), end="")
        finally:
            stream.close()
            self._print("")

    def _read_line(self) -> str:
        if sys.stdin.isatty():
            return input(f"{self._scene.user}> ").strip()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.strip()

    def _prepare_editing(self) -> None:
        """Editing, history and completion of commands and files, where there is a `readline`."""
        if not sys.stdin.isatty():
            return
        with suppress(ImportError):
            import readline

            readline.set_completer_delims(" ")
            readline.set_completer(self._complete)
            readline.parse_and_bind("tab: complete")

    def _complete(self, text: str, state: int) -> str | None:
        if text.startswith("/") and not Path(text).parent.name:
            found = [f"{name} " for name in (*self._commands, "/quit") if name.startswith(text)]
        else:
            folder = Path(text).expanduser() if text.endswith("/") else Path(text).expanduser().parent
            with suppress(OSError):
                found = [f"{path}/" if path.is_dir() else str(path) for path in sorted(folder.iterdir())]
                found = [path for path in found if path.startswith(str(Path(text).expanduser()))]
        return found[state] if state < len(found) else None

    def _name(self) -> str:
        name = f"{printable(self._scene.speaker)}:"
        return typer.style(name, bold=True) if self._styled else name

    def _dim(self, text: str) -> str:
        return typer.style(text, dim=True) if self._styled else text

    def _print(self, text: str, *, end: str = "\n") -> None:
        print(text, end=end, flush=True)


def _words(turn: Turn) -> str:
    """A turn in one line, media by what was recognised in them."""
    pieces = []
    for part in turn.parts:
        found = part.text or next((label.name for label in part.labels), "")
        pieces.append(found if part.kind == "text" else f"[{part.kind}: {found}]")
    return " ".join(pieces)


def _file_and_words(rest: str) -> tuple[str, str | None]:
    """The file and the words of `/image FILE [WORDS]`; a name with spaces is quoted, or stands alone."""
    if Path(rest).expanduser().is_file():
        return str(Path(rest).expanduser()), None
    reader = io.StringIO(rest)
    lexer = shlex.shlex(reader, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        file = lexer.get_token() or ""
    except ValueError as error:
        raise UsageError(f"the quotes around the file's name are not closed: {rest}") from error
    return os.path.expanduser(file), reader.read().strip() or None


def _unquoted(name: str) -> Path:
    stripped = name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'" else name
    return Path(stripped).expanduser()
