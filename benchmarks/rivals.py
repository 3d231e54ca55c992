"""The contenders: engines of Ruxi and what people would use otherwise, all asked the same way.

Each reads the same tokens, speaks greedily without penalties, and never stops by itself. Peers are given their own best
case: llama.cpp's numbers are those of its own clock, without its server's work for a request. On a machine that does
other work, one thread and the processor's clock (`--threads 1 --clock processor`) tell more than the clock on the wall.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rival_files
from side_by_side import Entry
from tokenizers import Tokenizer

from ruxi import weights
from ruxi.characters import Character
from ruxi.dialogues import Dialogue, Part, Turn
from ruxi.features import FeatureSequence
from ruxi.prompt import ChatFormat, Prompt, PromptBuilder
from ruxi.runtime import Engine, Sampling, load

PICTURE_SHAPE = (49, 1280)
"""Features of a picture by EfficientNet-Lite0."""
SPEECH_SHAPE = (150, 512)
"""Features of three seconds of speech by Whisper base."""


@dataclass(frozen=True)
class Request:
    """What a contender is asked.

    Attributes:
        prompt: What it reads.
        tokens: How many it speaks.
        media: Features of the prompt's media; only Ruxi's engines see them.
        reuse: Whether what was read before may be used again, as in a chat; Ruxi reads what must be repeatable anew.
        clock: `wall`, or `processor` for the seconds that processors worked for the contender, all threads together.
    """

    prompt: Prompt
    tokens: int
    media: Mapping[str, FeatureSequence] = field(default_factory=dict)
    reuse: bool = False
    clock: str = "wall"

    def now(self) -> float:
        """Seconds on the request's clock."""
        return now(self.clock)


def now(clock: str) -> float:
    """Seconds on a clock, see `Request`."""
    return time.process_time() if clock == "processor" else time.perf_counter()


@dataclass(frozen=True)
class Spoken:
    """How fast it was, on the request's clock.

    Attributes:
        first: Seconds until the first token.
        rate: Tokens a second after it.
    """

    first: float
    rate: float

    @classmethod
    def from_stamps(cls, began: float, stamps: Sequence[float]) -> Spoken:
        """From when each token came."""
        rate = (len(stamps) - 1) / (stamps[-1] - stamps[0]) if len(stamps) > 1 else 0.0
        return cls(stamps[0] - began, rate)


class Requests:
    """Makes requests of a given length.

    Args:
        clock: See `Request`.
        character: Who is played.
    """

    def __init__(self, clock: str = "wall", character: str = "mira") -> None:
        self._clock = clock
        tokenizer = Tokenizer.from_file(str(rival_files.language_model() / "tokenizer.json"))
        self._builder = PromptBuilder(tokenizer, ChatFormat.chatml(), context_length=4096)
        self._character = Character.load(character)

    def ask(
        self,
        words: str,
        tokens: int,
        *,
        media: Sequence[str] = (),
        pictures: int = 0,
        persona: int | None = None,
        marker: str = "",
        reuse: bool = False,
    ) -> Request:
        """What the user says, and what was shown before.

        Args:
            words: What the user says.
            tokens: How long the reply is.
            media: Kinds of media that are shown with it.
            pictures: How many pictures were shown before, one a turn.
            persona: Length of the persona in tokens; None for the character's own.
            marker: Stands at the beginning of the persona, so that nothing read before can be used again.
            reuse: See `Request`.
        """
        character = self._character
        if persona is not None:
            filler = " ".join(f"{character.name} remembers voyage {number} well." for number in range(persona))
            character = character.model_copy(update={"description": f"{character.description} {filler}"})
        if marker:
            character = character.model_copy(update={"system_prompt": f"{marker} {{{{original}}}}"})
        shown: dict[str, FeatureSequence] = {}
        turns = []
        for number in range(pictures):
            turns.append(Turn(speaker="User", parts=[_shown("image", shown), Part(kind="text", text="And this?")]))
            turns.append(Turn.of_text(character.name, f"I see it. That makes {number + 1}."))
        parts = [_shown(kind, shown) for kind in media]
        turns.append(Turn(speaker="User", parts=[*parts, Part(kind="text", text=words)]))
        builder = self._builder.with_options(persona_tokens=persona)
        prompt = builder.build(character, Dialogue(id="benchmark", turns=turns))
        return Request(replace(prompt, stop=()), tokens, shown, reuse, self._clock)


def _shown(kind: str, shown: dict[str, FeatureSequence]) -> Part:
    """A medium that was not shown before, with features like its extractor's but for the values."""
    digest = uuid.uuid4().hex * 2
    shape = PICTURE_SHAPE if kind == "image" else SPEECH_SHAPE
    values = np.random.default_rng(len(shown)).normal(size=shape).astype(np.float16)
    shown[digest] = FeatureSequence(values, np.zeros((shape[0], 2), dtype=np.float32))
    return Part(kind=kind, media=digest)  # type: ignore[arg-type]  # one of the kinds of media


def _together(answer: Callable[[Request], object], requests: Sequence[Request]) -> float:
    """Answer requests at the same time; tokens a second of all of them, reading included."""
    threads = [threading.Thread(target=answer, args=(request,)) for request in requests]
    began = requests[0].now()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(request.tokens for request in requests) / (requests[0].now() - began)


class Ruxi:
    """An engine of ours."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        tokenizer = engine.prompts.tokenizer
        special = {token for token, added in tokenizer.get_added_tokens_decoder().items() if added.special}
        self._never = dict.fromkeys(special | {engine.prompts.end_of_turn_ids[0]}, -1e4)

    def speak(self, request: Request) -> Spoken:
        """Answer one request."""
        began = request.now()
        return Spoken.from_stamps(began, self._stamps(request))

    def speak_together(self, requests: Sequence[Request]) -> float:
        """Answer requests at the same time; tokens a second of all of them, reading included."""
        return _together(self._stamps, requests)

    def quality(self, data: Path, items: int, folder: Path) -> dict[str, float]:
        """What it makes of the replies of a data set.

        Args:
            data: The data set.
            items: How many of its items.
            folder: Takes the records.
        """
        from ruxi.evaluation import EvaluationData, Planned, Player, evaluate, make_task

        opened = EvaluationData(data)
        plan = [Planned(make_task(name, {"items": items}), opened) for name in ("reply_likelihood", "next_reply")]
        likelihood, choice = evaluate(Player(self.engine), {"name": "contender"}, plan, folder).tasks
        return {
            "nats a token": likelihood.metric("nats").value or 0.0,
            "next reply, hits@1": choice.metric("hits@1").value or 0.0,
        }

    def _stamps(self, request: Request) -> list[float]:
        # The likeliest token either way; without a temperature Ruxi promises to compute the same numbers again.
        drawn = {"temperature": 1.0, "top_k": 1} if request.reuse else {"temperature": 0.0}
        sampling = Sampling(
            repetition_penalty=1, no_repeat_ngram=0, max_tokens=request.tokens, logit_bias=self._never, **drawn
        )  # type: ignore[arg-type]  # they are numbers
        pieces = self.engine.generate(request.prompt, request.media, sampling)
        return [request.now() for delta in pieces if delta.token_ids]


def build_ruxi(model: str, engine: str, threads: int, dtype: str = "auto") -> Ruxi:
    return Ruxi(load(model, engine=engine, threads=threads, dtype=dtype))  # type: ignore[arg-type]


def build_onnx(work: Path, kind: str, precision: str, threads: int) -> Ruxi:
    return build_ruxi(str(rival_files.bundle_folder(work, kind, precision)), "onnx", threads)


def build_torch(work: Path, kind: str, dtype: str, threads: int) -> Ruxi:
    return build_ruxi(str(rival_files.adapter_folder(work, kind)), "torch", threads, dtype)


class Transformers:
    """`generate` of transformers."""

    def __init__(self, threads: int, dtype: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(threads)
        self._model = AutoModelForCausalLM.from_pretrained(
            rival_files.language_model(), dtype=getattr(torch, dtype), use_safetensors=True
        )

    def speak(self, request: Request) -> Spoken:
        """Answer one request."""
        import torch

        ids = torch.tensor([request.prompt.input_ids])
        clock = _Clock(request)
        began = request.now()
        self._model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=0, streamer=clock,
            max_new_tokens=request.tokens, min_new_tokens=request.tokens,
        )  # fmt: skip
        return Spoken.from_stamps(began, clock.stamps[1:])


class _Clock:
    """A streamer that looks at the clock; the first thing that it gets is the prompt."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.stamps: list[float] = []

    def put(self, value: Any) -> None:
        self.stamps.append(self._request.now())

    def end(self) -> None:
        """Nothing to close."""


class LlamaCpp:
    """llama.cpp, by xllamacpp."""

    def __init__(self, work: Path, kind: str, threads: int, chats: int = 1) -> None:
        import xllamacpp

        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(rival_files.gguf_file(work, kind))
        parameters.verbosity = 1  # errors alone
        parameters.n_ctx, parameters.n_parallel = 4096 * chats, chats
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        self._server = xllamacpp.Server(parameters)

    def speak(self, request: Request) -> Spoken:
        """Answer one request; times on the wall are those that llama.cpp measured.

        The processor's clock is read before and after: the rate counts the reading of what was not read before.
        """
        began = request.now()
        timings = self._complete(request)["timings"]
        worked = request.now() - began
        if request.clock == "processor":
            return Spoken(worked, request.tokens / worked)
        return Spoken(timings["prompt_ms"] / 1000, timings["predicted_per_second"])

    def speak_together(self, requests: Sequence[Request]) -> float:
        """Answer requests at the same time; tokens a second of all of them, reading included."""
        return _together(self._complete, requests)

    def _complete(self, request: Request) -> dict[str, Any]:
        answer = self._server.handle_completions(
            {
                "prompt": list(request.prompt.input_ids), "n_predict": request.tokens, "ignore_eos": True,
                "temperature": 0, "samplers": ["temperature"], "cache_prompt": True,
            }
        )  # fmt: skip
        found: dict[str, Any] = json.loads(answer) if isinstance(answer, str) else answer
        return found


class GenAi:
    """onnxruntime-genai."""

    def __init__(self, work: Path, threads: int) -> None:
        import onnxruntime_genai

        self._library = onnxruntime_genai
        config = onnxruntime_genai.Config(str(rival_files.genai_folder(work)))
        options = {"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}
        config.overlay(json.dumps(options))
        self._model = onnxruntime_genai.Model(config)

    def speak(self, request: Request) -> Spoken:
        """Answer one request."""
        length = len(request.prompt.input_ids) + request.tokens
        parameters = self._library.GeneratorParams(self._model)
        parameters.set_search_options(max_length=length, min_length=length, do_sample=False)
        began = request.now()
        generator = self._library.Generator(self._model, parameters)
        generator.append_tokens(list(request.prompt.input_ids))
        stamps = []
        while not generator.is_done():
            generator.generate_next_token()
            stamps.append(request.now())
        return Spoken.from_stamps(began, stamps)


def entries(work: Path, threads: int) -> dict[str, Entry]:
    """All contenders by name."""
    fused = {"work": work, "kind": "cross_attention", "threads": threads}
    peer = {"work": work, "threads": threads}
    return {
        "onnx int4": Entry(build_onnx, {**fused, "precision": "int4"}),
        "onnx auto": Entry(build_onnx, {**fused, "precision": "auto"}),
        "onnx int8": Entry(build_onnx, {**fused, "precision": "int8"}),
        "onnx fp32": Entry(build_onnx, {**fused, "precision": "fp32"}),
        "torch bfloat16": Entry(build_torch, {**fused, "dtype": "bfloat16"}),
        "torch float32": Entry(build_torch, {**fused, "dtype": "float32"}),
        "llama.cpp q4_0": Entry(LlamaCpp, {**peer, "kind": "q4_0"}),
        "llama.cpp q4_0 throughout": Entry(LlamaCpp, {**peer, "kind": "q4_0-pure"}),
        "llama.cpp q8_0": Entry(LlamaCpp, {**peer, "kind": "q8_0"}),
        "onnxruntime-genai int4": Entry(GenAi, peer),
        "transformers bfloat16": Entry(Transformers, {"threads": threads, "dtype": "bfloat16"}),
        "transformers float32": Entry(Transformers, {"threads": threads, "dtype": "float32"}),
    }


def arguments(description: str, *, repetitions: int) -> argparse.ArgumentParser:
    """The options that all of these benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--work", type=Path, default=weights.home() / "benchmarks", help="where files are kept")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="which seconds count")
    parser.add_argument("--repetitions", type=int, default=repetitions)
    parser.add_argument("--prepare", action="store_true", help="only make the files that the contenders need")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter repetitions")
    parser.add_argument("--only", default="", help="names of contenders, or their beginnings, separated by commas")
    parser.add_argument("--json", action="store_true")
    return parser


def chosen(only: str) -> list[str]:
    """The names given to `--only`."""
    return [name.strip() for name in only.split(",") if name.strip()]
