"""`python -m ruxi.demo`: a character looks at a photograph and answers a spoken question.

The whole way once, with real parts and nothing prepared: the question is spoken by the voice that comes along and
understood again by the speech encoder. Everything that it makes lies in ./demo.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruxi import files
from ruxi.errors import RuxiError

if TYPE_CHECKING:
    from ruxi.scene import Scene

FOLDER = Path("demo")
_QUESTION = "Captain, where should we fly to next?"
_WORDS_WITH_PICTURE = "Captain, look at this photograph that I took. What do you see?"
_SEED = 7


class _Clock:
    """Prints what each step took and adds it up."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.add(name, time.monotonic() - began)

    def add(self, name: str, seconds: float) -> None:
        self.steps.append((name, seconds))

    def report(self) -> None:
        print("\nTime of each step, in seconds:")
        for name, seconds in self.steps:
            print(f"  {seconds:6.2f}  {name}")
        print(f"  {sum(seconds for _, seconds in self.steps):6.2f}  together")


def main() -> None:
    """Run the demonstration; a missing part ends in one line on stderr."""
    try:
        _play(FOLDER)
    except RuxiError as error:
        print(f"ruxi: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _play(folder: Path) -> None:
    clock = _Clock()
    with clock.step("load the language model"):
        from ruxi.characters import Character
        from ruxi.runtime import Sampling, load
        from ruxi.scene import PiperVoice, Scene

        engine = load()
    picture, question = folder / "photograph.png", folder / "question.wav"
    files.write_bytes(picture, photograph())
    with clock.step("speak the question (Piper)"):
        voice = PiperVoice()
        files.write_bytes(question, voice.speak(_QUESTION))

    scene = Scene(Character.load("mira"), engine, sampling=Sampling(seed=_SEED, max_tokens=80))
    scene.save(folder, overwrite=True)
    greeting = scene.greet()
    if greeting is not None:
        print(f"{scene.speaker}: {greeting.text}\n")
    _exchange(scene, clock, "the photograph", words=_WORDS_WITH_PICTURE, image=picture)
    answer = _exchange(scene, clock, "the question", audio=question)
    with clock.step("speak the answer (Piper)"):
        files.write_bytes(folder / "answer.wav", voice.speak(answer))

    clock.report()
    print(f"\nSaved in {folder}/: the dialogue ({scene.path}), the photograph, the question and the answer as sound.")


def _exchange(
    scene: Scene,
    clock: _Clock,
    what: str,
    *,
    words: str | None = None,
    image: Path | None = None,
    audio: Path | None = None,
) -> str:
    shown = f"[{image or audio}] {words or ''}".rstrip()
    print(f"{scene.user}: {shown}")
    stream = scene.stream(words, image=image, audio=audio)
    if stream.seen:
        print("  saw:   " + ", ".join(f"{label.name} ({label.score:.0%})" for label in stream.seen[:3]))
    for heard in stream.heard:
        print(f"  heard: {heard.text!r} ({heard.confidence:.0%} sure)")
    print(f"{scene.speaker}: ", end="", flush=True)
    for piece in stream:
        print(piece, end="", flush=True)
    reply = stream.finish()
    print("\n")
    clock.add(f"perceive {what}", reply.timings.perceive)
    clock.add("to the first word of the answer", reply.timings.first_token)
    clock.add("the rest of the answer", reply.timings.total - reply.timings.perceive - reply.timings.first_token)
    return reply.text


def photograph() -> bytes:
    """A cup of coffee, photographed by Rachel Michetti and given to scikit-image without any rights reserved."""
    try:
        import skimage.data
    except ImportError as error:
        raise RuxiError(
            "the photograph comes with scikit-image, which is not installed",
            where="demo",
            remedy="Run `pip install 'ruxi[dev]'`, or `make demo` in a clone.",
        ) from error
    from PIL import Image

    coffee: Any = skimage.data.coffee
    buffer = io.BytesIO()
    Image.fromarray(coffee()).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
