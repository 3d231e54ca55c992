"""Contenders side by side: each in a process of its own, one at work at a time, in turns, and a table of ratios.

A repetition asks every contender once, so that what the machine does besides slows all of them alike; ratios are taken
within repetitions. An idle contender waits for its pipe and burns no processor time.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

Build = Callable[..., Any]


class Missing(Exception):  # noqa: N818 - it is reported, not raised further
    """A contender cannot take part."""


@dataclass(frozen=True)
class Entry:
    """A contender in the list.

    Attributes:
        build: Makes it, in its own process; a function at the top of a module.
        options: What `build` is given.
    """

    build: Build
    options: Mapping[str, Any]


class Worker:
    """A contender in its process.

    Raises:
        Missing: It cannot be built; the message says why.
    """

    def __init__(self, entry: Entry) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, entry.build, dict(entry.options)), daemon=True)
        self._process.start()
        other.close()
        self._owes = True
        problem = self._receive()
        if problem is not None:
            raise Missing(problem)

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the contender.

        Raises:
            Missing: It failed; the message says why.
        """
        if self._owes:  # whoever asked before was interrupted
            self._receive()
        try:
            self._pipe.send((method, arguments))
        except OSError:
            raise Missing("its process ended") from None
        self._owes = True
        result, problem = self._receive()
        if problem is not None:
            raise Missing(problem)
        return result

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _receive(self) -> Any:
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError):
            raise Missing("its process ended") from None
        self._owes = False
        return answer


def _serve(pipe: Connection, build: Build, options: dict[str, Any]) -> None:
    # Both are for the one who asks; the end of the pipe is the end of this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        contender = build(**options)
    except Exception as error:  # whatever a contender's library raises is told, not hidden
        pipe.send(_told(error))
        return
    pipe.send(None)
    while True:
        try:
            method, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            # Kibibytes on Linux.
            if method == "peak_memory":
                pipe.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, None))
            else:
                pipe.send((getattr(contender, method)(*arguments), None))
        except Exception as error:
            pipe.send((None, _told(error)))


def _told(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"{error}; run `pip install 'ruxi[bench]'`"
    return f"{type(error).__name__}: {error}".splitlines()[0]


@contextmanager
def working(entries: Mapping[str, Entry], only: Sequence[str] = ()) -> Iterator[dict[str, Worker]]:
    """The contenders that can be built, by name; what is missing is told on the standard error."""
    workers: dict[str, Worker] = {}
    try:
        for name, entry in entries.items():
            if only and not any(name.startswith(one) for one in only):
                continue
            began = time.perf_counter()
            try:
                workers[name] = Worker(entry)
                print(f"opened {name}: {time.perf_counter() - began:.1f} s", file=sys.stderr)
            except Missing as missing:
                print(f"skipped {name}: {missing}", file=sys.stderr)
        yield workers
    finally:
        for worker in workers.values():
            worker.close()


def in_turns(
    workers: Mapping[str, Worker], repetitions: int, work: Callable[[str, Worker, int], Any]
) -> dict[str, list[Any]]:
    """What each contender gives in each repetition; the first, numbered -1, is a rehearsal and is not kept.

    Args:
        workers: The contenders; one that fails is told and dropped.
        repetitions: How often each is asked.
        work: Gets name, worker and number of the repetition.

    Returns:
        The results by name, as many for each; fewer than asked for when the run was interrupted (Ctrl-C, SIGTERM).
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found: dict[str, list[Any]] = {name: [] for name in workers}
    try:
        _measure(found, workers, repetitions, work)
    except KeyboardInterrupt:
        print("stopped; this is what was measured", file=sys.stderr)
    whole = min((len(results) for results in found.values()), default=0)
    return {name: results[:whole] for name, results in found.items() if whole}


def _measure(
    found: dict[str, list[Any]],
    workers: Mapping[str, Worker],
    repetitions: int,
    work: Callable[[str, Worker, int], Any],
) -> None:
    for repetition in range(-1, repetitions):
        for name in list(found):
            began = time.perf_counter()
            try:
                result = work(name, workers[name], repetition)
            except Missing as missing:
                print(f"dropped {name}: {missing}", file=sys.stderr)
                del found[name]
                continue
            turn = f"{repetition + 1}/{repetitions}" if repetition >= 0 else "rehearsal"
            print(f"{turn} {name}: {time.perf_counter() - began:.1f} s", file=sys.stderr)
            if repetition >= 0:
                found[name].append(result)


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Minimum, median and maximum."""
    return min(values), statistics.median(values), max(values)


def ratios(found: Mapping[str, Sequence[float]], reference: str) -> dict[str, tuple[float, float, float]]:
    """Minimum, median and maximum of each contender's number over the reference's, repetition by repetition."""
    if reference not in found:
        return {}
    return {
        name: spread([one / other for one, other in zip(values, found[reference], strict=True)])
        for name, values in found.items()
    }


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print rows as a table of Markdown, or as one JSON array; numbers with the digits that they are worth."""
    if as_json:
        print(json.dumps(rows))
        return
    columns = list(dict.fromkeys(column for row in rows for column in row))
    print("| " + " | ".join(columns) + " |")
    print("|" + "|".join("---" if column == columns[0] else "---:" for column in columns) + "|")
    for row in rows:
        print("| " + " | ".join(_written(row.get(column)) for column in columns) + " |")


def _written(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return " / ".join(_written(one) for one in value)
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return str(value)
