"""The fast engine: a bundle's graphs, read for many chats at once by one thread.

`OnnxEngine` turns prompts into jobs of the scheduler and what they give into `Delta`s. Text is made of tokens in the
thread of whoever listens, so that the next pass can run meanwhile; a reply that is not listened to any more stops
before its next token. Replies that can be repeated (a seed is given, or the temperature is 0) take over whole blocks of
what was read before, which are the same numbers, and no more.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from ruxi.errors import EngineError, UsageError
from ruxi.features import STREAM_OF_KIND, FeatureSequence, load_extractor
from ruxi.prompt import Prompt, PromptBuilder
from ruxi.runtime.constraints import Constraints
from ruxi.runtime.onnx import bundle as contract
from ruxi.runtime.onnx.bundle import Bundle
from ruxi.runtime.onnx.decoder import Decoder
from ruxi.runtime.onnx.graphs import Encoded, Graphs
from ruxi.runtime.onnx.layout import Layout, lay_out
from ruxi.runtime.onnx.memory import Memory, Slot
from ruxi.runtime.onnx.personas import Personas
from ruxi.runtime.onnx.reading import Reading, Reads
from ruxi.runtime.onnx.replies import Spoken, SpokenReply, speak
from ruxi.runtime.onnx.scheduler import Job, Scheduler
from ruxi.runtime.onnx.scoring import LayOut, Open, first_layout, perceive, score
from ruxi.runtime.protocol import LONGEST_CONTEXT, Delta, Feelings, Media, Sampling, room_for_reply
from ruxi.runtime.sampling import Sampler
from ruxi.runtime.streaming import TextStream


class OnnxEngine:
    """Speaks with a bundle in this process.

    Args:
        bundle: The bundle, see `ruxi compress`.
        name: What messages and reports call the engine.
        threads: Threads for one pass; None for one a core.
        context_length: Longest prompt with reply, in tokens; by default what the model can read, 4,096 at most.
        slots: How many replies are spoken at once, and how many conversations are remembered. Each takes
            `context_length` times the size of one token's keys and values (46 kB in `ruxi-mini`), as far as it is used.
        queue: How many replies may wait for a slot; more are refused.
        personas: Folder for what was read of personas, so that the next engine need not read them; None for none.

    Raises:
        UsageError: A number is too small.
        ModelError: A graph cannot be loaded.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        name: str = "onnx",
        threads: int | None = None,
        context_length: int | None = None,
        slots: int = 8,
        queue: int = 64,
        personas: Path | None = None,
    ) -> None:
        for where, value, least in (("slots", slots, 1), ("queue", queue, 0), ("context_length", context_length, 2)):
            if value is not None and value < least:
                raise UsageError(f"{value} is too few", where=where, remedy=f"Give {least} or more.")
        config = bundle.config
        self.name = name
        self._bundle = bundle
        self.context_length = min(context_length or LONGEST_CONTEXT, config.shape.positions)
        self._end_ids = frozenset(config.end_ids)
        self._graphs = Graphs(bundle, threads)
        with ThreadPoolExecutor(max_workers=1) as beside:
            session = beside.submit(self._graphs.session, contract.DECODER)
            self._tokenizer = Tokenizer.from_file(str(bundle.path(contract.TOKENIZER)))
            self.prompts = PromptBuilder(self._tokenizer, config.chat_format, context_length=self.context_length)
        self._constraints = Constraints(self._tokenizer, self._end_ids)
        self._memory = Memory(config.shape, slots, self.context_length)
        decoder = Decoder(bundle, self._memory, session.result())
        known = None if personas is None else Personas(personas, bundle, self._memory)
        self._scheduler = Scheduler(decoder, self._memory, queue=queue, name=name, personas=known)
        # The thread knows the scheduler alone, so that an engine nobody holds any more can end it.
        self._close = weakref.finalize(self, self._scheduler.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all replies and the engine's thread."""
        self._close()

    def extractor_names(self) -> Mapping[str, str]:
        """Extractor for each kind of medium, see `Engine`; the bundle's own image encoder where it has one."""
        config = self._bundle.config
        names = {
            kind: config.modalities[stream].extractor
            for kind, stream in STREAM_OF_KIND.items()
            if stream in config.modalities
        }
        if config.image_encoder is not None:
            eye = f"onnx-image:{self._bundle.path(contract.IMAGE)}"
            own = {config.image_encoder: eye, "video": f"video:{eye}"}
            names = {kind: own.get(name, name) for kind, name in names.items()}
        return names

    def generate(self, prompt: Prompt, media: Media, sampling: Sampling) -> Generator[Delta, None, None]:
        """Speak a reply, see `Engine`. It is begun at once, and goes on whether its pieces are taken or not.

        Raises:
            EngineError: The prompt leaves no room for a reply, too many replies wait already, or the engine is closed.
        """
        layout = lay_out(prompt, media, self._bundle, guided_turns=[prompt.turn_ids[-1]])
        room = room_for_reply(len(layout.ids), self.context_length, where=self.name)
        form = self._constraints.follow(sampling.constraint)
        sampler = Sampler(sampling, prompt, exempt=self._end_ids, form=form)
        encoded = self._encode(layout, media)
        spoken: Spoken = SimpleQueue()

        def start(slot: Slot) -> Reads:
            reading = Reading(self._bundle, self._graphs, slot, layout, encoded)
            return speak(reading, sampler, self._end_ids, min(room, sampling.max_tokens), spoken)

        job = Job(
            layout,
            start,
            lambda fault: None if fault is None else spoken.put(fault),
            repeatable=sampling.repeatable,
            wakes=True,
        )
        self._scheduler.submit(job)
        text = TextStream(self._tokenizer, (*prompt.stop, *sampling.stop))
        return SpokenReply(spoken, text, prompt.emotion, partial(self._scheduler.cancel, job))

    def log_likelihood(self, prompts: Sequence[Prompt], media: Media) -> list[npt.NDArray[np.float32]]:
        """Natural log-probability of each marked token, see `Engine` and `ruxi.runtime.onnx.scoring`."""
        lay_out, open_reading = self._readers(media)
        scores = [np.zeros(0, np.float32) for _ in prompts]
        if any(any(prompt.loss_mask) for prompt in prompts):
            layout = first_layout(prompts, lay_out)
            self._work(layout, lambda slot: score(prompts, scores, slot, lay_out, open_reading))
        return scores

    def perceive(self, prompts: Sequence[Prompt], media: Media) -> list[Feelings]:
        """Probabilities of the model's emotion and intent heads, see `Perceptive`."""
        feelings: list[Feelings] = [{} for _ in prompts]
        if prompts and self._bundle.config.guidance is not None:
            lay_out, open_reading = self._readers(media)
            layout = lay_out(prompts[0], [prompts[0].turn_ids[-1]], None)
            self._work(layout, lambda slot: perceive(prompts, feelings, slot, lay_out, open_reading))
        return feelings

    def similarity(
        self, media: Sequence[tuple[str, FeatureSequence]], sentences: Sequence[str]
    ) -> npt.NDArray[np.float32] | None:
        """Cosines in the space that media and sentences share, see `Perceptive`."""
        config = self._bundle.config
        if config.alignment is None or any(STREAM_OF_KIND[kind] not in config.modalities for kind, _ in media):
            return None
        encoded = [self._graphs.encode(STREAM_OF_KIND[kind], None, features) for kind, features in media]
        vectors = np.stack([medium.embedding for medium in encoded if medium.embedding is not None])
        cosines: npt.NDArray[np.float32] = vectors @ self._sentence_encoder.embed(sentences).T
        return cosines

    @cached_property
    def _sentence_encoder(self) -> Any:
        settings = self._bundle.config.alignment
        assert settings is not None  # noqa: S101 - only asked for with one
        return load_extractor(settings.extractor)

    def _readers(self, media: Media) -> tuple[LayOut, Open]:
        """How prompts about some media are laid out and read."""

        def lay_out_one(prompt: Prompt, guided_turns: Sequence[int], reread_from: int | None) -> Layout:
            return self._checked(
                lay_out(prompt, media, self._bundle, guided_turns=guided_turns, reread_from=reread_from)
            )

        def open_reading(slot: Slot, layout: Layout) -> Reading:
            return Reading(self._bundle, self._graphs, slot, layout, self._encode(layout, media))

        return lay_out_one, open_reading

    def _checked(self, layout: Layout) -> Layout:
        if len(layout.ids) > self.context_length:
            raise EngineError(
                f"a prompt of {len(layout.ids)} tokens does not fit into {self.context_length}",
                where=self.name,
                remedy="Shorten it, or raise the context length.",
            )
        return layout

    def _encode(self, layout: Layout, media: Media) -> list[Encoded]:
        return [self._graphs.encode(place.stream, place.media, media[place.media]) for place in layout.places]

    def _work(self, layout: Layout, start: Callable[[Slot], Reads]) -> None:
        """Do a job and wait for it."""
        done: Future[None] = Future()

        def end(fault: BaseException | None) -> None:
            done.set_exception(fault) if fault is not None else done.set_result(None)

        job = Job(layout, start, end, repeatable=True)
        self._scheduler.submit(job)
        try:
            done.result()
        except BaseException:
            self._scheduler.cancel(job)
            raise
