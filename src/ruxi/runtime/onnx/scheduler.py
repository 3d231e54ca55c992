"""One thread that reads for all chats: new ones join between two tokens of the others.

In every round one chat that still reads its prompt reads a block of it, and all chats that are speaking read their next
token in one pass. Chats wait in a queue of limited length until a slot is free. A chat begins with what a slot already
holds of its prompt: in place when it goes on with that very conversation, as a copy when others may still need it.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ruxi.errors import EngineError
from ruxi.runtime.onnx.decoder import Decoder, Read, Result
from ruxi.runtime.onnx.layout import Layout, common_beginning
from ruxi.runtime.onnx.memory import BLOCK, Memory, Slot
from ruxi.runtime.onnx.personas import Personas
from ruxi.runtime.onnx.reading import Reads

_log = logging.getLogger("ruxi")


@dataclass(eq=False)
class Job:
    """Work that needs a slot.

    Attributes:
        layout: The prompt that it begins with.
        start: Makes the coroutine that does it in a slot; the slot holds the beginning of the prompt.
        end: Called once when it is over, with what went wrong, if anything did; not when it was cancelled.
        repeatable: Whether its numbers must not depend on what was read before.
        wakes: Whether it speaks for a character, whose persona is recalled and kept.
        cancelled: Whether nobody wants it any more.
        slot: Where it runs.
        reads: The coroutine.
        next: What it waits to be read.
        has_read: Whether the part of its prompt that others can take over was read.
    """

    layout: Layout
    start: Callable[[Slot], Reads]
    end: Callable[[BaseException | None], None]
    repeatable: bool = False
    wakes: bool = False
    cancelled: bool = False
    slot: Slot | None = field(default=None, init=False)
    reads: Reads | None = field(default=None, init=False)
    next: Read | None = field(default=None, init=False)
    has_read: bool = field(default=False, init=False)

    @property
    def lasting(self) -> int:
        """How many positions of its prompt others can take over."""
        return self.layout.starts[1] if self.layout.guided else len(self.layout.ids)


class Scheduler:
    """Runs jobs on the slots of a memory.

    Args:
        decoder: Reads for them.
        memory: The slots.
        queue: How many jobs may wait for a slot.
        name: What messages call the engine.
        personas: Those that were read before; None to keep none.
    """

    def __init__(
        self, decoder: Decoder, memory: Memory, *, queue: int, name: str, personas: Personas | None = None
    ) -> None:
        self._personas = personas
        self._decoder = decoder
        self._memory = memory
        self._queue = queue
        self._name = name
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._clock = itertools.count(1)

    def submit(self, job: Job) -> None:
        """Take in a job; returns at once.

        Raises:
            EngineError: Too many jobs wait already, or the engine is closed.
        """
        with self._changed:
            self._check_open()
            free = sum(not slot.busy for slot in self._memory.slots)
            if len(self._waiting) >= self._queue + free:
                raise EngineError(
                    f"busy: {len(self._running)} replies are being spoken and {len(self._waiting)} wait",
                    where=self._name,
                    remedy="Try again in a moment, or open the engine with more `slots` or a longer `queue`.",
                )
            self._waiting.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"{self._name} scheduler", daemon=True)
                self._thread.start()
            self._changed.notify()

    def cancel(self, job: Job) -> None:
        """Stop a job; if it runs, it ends before the next token is read."""
        with self._changed:
            job.cancelled = True
            if job in self._waiting:
                self._waiting.remove(job)
            self._changed.notify()

    def close(self) -> None:
        """Stop all jobs and the thread; jobs that were not over fail."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError("the engine is closed", where=self._name, remedy="Open it again.")

    def _run(self) -> None:
        fault: BaseException = EngineError("the engine was closed", where=self._name, remedy="Open it again.")
        try:
            while self._wait():
                self._round()
        except BaseException as error:
            _log.exception("%s: the scheduler failed", self._name)
            fault = error
        with self._changed:
            self._closed = True
            left = [*self._running, *self._waiting]
            self._waiting.clear()
        for job in left:
            self._finish(job, fault)

    def _wait(self) -> bool:
        """Wait for work and let waiting jobs begin; False when the engine is closed."""
        while self._waiting or not self._running or self._closed:
            with self._changed:
                while not (self._closed or self._running or self._waiting):
                    self._changed.wait()
                if self._closed:
                    return False
                job = next((job for job in self._waiting if self._admit(job)), None)
                if job is None:
                    break
                self._waiting.remove(job)
            self._begin(job)
        return True

    def _admit(self, job: Job) -> bool:
        """Give a waiting job a slot, unless none is free or another one is about to read what it needs."""
        idle = [slot for slot in self._memory.slots if not slot.busy]
        if not idle:
            return False
        common = {slot.place: self._common(slot, job) for slot in self._memory.slots}
        best = max(self._memory.slots, key=lambda slot: (common[slot.place], not slot.busy))
        length = common[best.place]
        if any(self._soon(other, job) >= length + BLOCK for other in self._running):
            return False
        job.slot = self._chosen(best, length, idle)
        if job.slot is best:
            best.cut(length)
        else:
            self._memory.copy(best, job.slot, length)
        job.slot.busy = True
        job.slot.used = next(self._clock)
        return True

    @staticmethod
    def _chosen(best: Slot, length: int, idle: Sequence[Slot]) -> Slot:
        """The slot for a prompt whose first positions stand in `best`: that one, or one to which they are copied.

        The conversation that was not used for the longest time has to go, unless little is lost of `best` itself.
        """
        oldest = min(idle, key=lambda slot: slot.used)
        if best.busy or length < BLOCK:
            return oldest
        lost = best.lasting - length
        oldest = min((slot for slot in idle if slot is not best), key=lambda slot: slot.used, default=best)
        return oldest if lost >= 4 * BLOCK or (lost >= BLOCK and not oldest.lasting) else best

    @staticmethod
    def _common(slot: Slot, job: Job) -> int:
        """How much of a job's prompt a slot holds."""
        common = slot.common(job.layout)
        whole_blocks = min(common, slot.steady) // BLOCK * BLOCK
        if job.repeatable:
            return whole_blocks
        # With much left to read, begin with a whole block, so that what is read now can be taken over by any other.
        much = len(job.layout.ids) - common >= 2 * BLOCK and common - whole_blocks < BLOCK
        return whole_blocks if much else common

    @staticmethod
    def _soon(other: Job, job: Job) -> int:
        """How much of a job's prompt another one is about to have read."""
        if other.has_read:
            return 0
        layout, end = other.layout, other.lasting
        common = common_beginning(layout.ids[:end], layout.turns[:end], layout.media, job.layout)
        return common if not job.repeatable else common // BLOCK * BLOCK

    def _begin(self, job: Job) -> None:
        self._running.append(job)
        assert job.slot is not None  # noqa: S101 - it was just admitted
        try:
            if self._personas is not None and job.wakes:
                self._personas.recall(job.layout, job.slot)
            job.reads = job.start(job.slot)
        except Exception as error:
            self._finish(job, error)
            return
        self._advance(job, None)

    def _round(self) -> None:
        for job in [job for job in self._running if job.cancelled]:
            self._finish(job, None)
        reading = next((job for job in self._running if job.next is not None and not _speaks(job.next)), None)
        speaking = [job for job in self._running if job.next is not None and _speaks(job.next)]
        if reading is not None:
            self._running.remove(reading)
            self._running.append(reading)  # the next round is another one's turn
            self._pass([reading])
        if speaking:
            self._pass(speaking)

    def _pass(self, jobs: Sequence[Job]) -> None:
        """Read for some jobs: a block of one, or one token of each."""
        by_slot = {id(job.slot): job for job in jobs}
        try:
            slots = self._memory.gather([job.slot for job in jobs if job.slot is not None])
            jobs = [by_slot[id(slot)] for slot in slots]
            reads = [job.next for job in jobs if job.next is not None]
            if _speaks(reads[0]):
                results = self._decoder.step(slots, reads)
            else:
                results = [self._decoder.read(slots[0], reads[0])]
        except Exception as error:
            if len(jobs) == 1:
                self._finish(jobs[0], error)
            else:
                # Whose fault it is shows when each reads alone; the others go on.
                for job in jobs:
                    self._pass([job])
            return
        for job, result in zip(jobs, results, strict=True):
            self._advance(job, result)

    def _advance(self, job: Job, result: Result | None) -> None:
        """Let a job go on with what was read for it."""
        assert job.reads is not None  # noqa: S101 - it was begun
        assert job.slot is not None  # noqa: S101 - it was begun
        job.has_read = job.has_read or job.slot.length >= job.lasting
        try:
            job.next = next(job.reads) if result is None else job.reads.send(result)
        except StopIteration:
            self._finish(job, None)
        except Exception as error:
            self._finish(job, error)

    def _finish(self, job: Job, fault: BaseException | None) -> None:
        """Give a job's slot back; what it read stays there for the next one."""
        if job in self._running:
            self._running.remove(job)
        if job.reads is not None:
            job.reads.close()
        if job.slot is not None:
            if self._personas is not None and job.wakes:
                self._personas.keep(job.layout, job.slot)
            job.slot.used = next(self._clock)
            with self._changed:
                job.slot.busy = False
        if not job.cancelled:
            job.end(fault)


def _speaks(read: Read) -> bool:
    """Whether a read is a reply's next token, which is read together with those of others."""
    return len(read.ids) == 1 and len(read.keep) == 1 and read.states is None
