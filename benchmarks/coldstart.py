"""How long a character takes to wake up: from the start of a process to the first word of its answer.

    python benchmarks/coldstart.py [--quick] [--only onnx,llama] [--json]

Each line is a process of its own that imports only what it needs, loads its model, reads a prompt and says one token.
Files come from the system's cache. The fast engine keeps what it read of a persona for the next start; it is measured
with and without. The whole command is measured as well, card and all.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

WORDS = "Captain, where do we fly to next?"


def child_ruxi(model: str, engine: str, threads: str, persona: str = "") -> None:
    from ruxi.characters import Character
    from ruxi.dialogues import Dialogue, Turn
    from ruxi.runtime import Sampling, load

    options = {"keep_personas": False} if persona == "unknown" else {}
    opened = load(model, engine=engine, threads=int(threads), **options)
    prompt = opened.prompts.build(Character.load("mira"), Dialogue(id="d", turns=[Turn.of_text("User", WORDS)]))
    print(next(iter(opened.generate(prompt, {}, Sampling(max_tokens=1)))).token_ids, flush=True)


def child_llama(model: str, threads: str) -> None:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path, parameters.verbosity, parameters.n_ctx, parameters.n_parallel = model, 1, 4096, 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = int(threads)
    server = xllamacpp.Server(parameters)
    messages = [{"role": "system", "content": _persona()}, {"role": "user", "content": WORDS}]
    server.handle_chat_completions({"messages": messages, "max_tokens": 1})
    print("spoken", flush=True)


def child_transformers(model: str, threads: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(int(threads))
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16, use_safetensors=True)
    messages = [{"role": "system", "content": _persona()}, {"role": "user", "content": WORDS}]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    network.generate(**inputs, max_new_tokens=1, pad_token_id=0)
    print("spoken", flush=True)


def _persona() -> str:
    from ruxi.characters import Character
    from ruxi.dialogues import Dialogue
    from ruxi.prompt.persona import persona_words

    return persona_words(Character.load("mira"), Dialogue(id="d", turns=[]), "User")


CHILDREN: dict[str, Callable[..., None]] = {
    "ruxi": child_ruxi,
    "llama": child_llama,
    "transformers": child_transformers,
}


def seconds_to_first_word(command: list[str], clock: str) -> float:
    """From the start of a process to its first line; on the processor's clock, what it worked in all.

    Raises:
        RuntimeError: It says nothing.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stdout.read(1)
        took = time.perf_counter() - began
        process.stdout.read()
        if not said:
            raise RuntimeError(process.stderr.read().decode().strip().splitlines()[-1])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return worked if clock == "processor" else took


def commands(work: Path, threads: int) -> dict[str, Callable[[], list[str]]]:
    """What to start, once its files are there."""
    import rival_files

    child = [sys.executable, __file__, "--child"]
    ruxi = [sys.executable, "-c", "from ruxi.cli import main; main()"]

    def bundle() -> str:
        return str(rival_files.bundle_folder(work, "cross_attention", "int4"))

    return {
        "onnx int4 bundle": lambda: [*child, "ruxi", bundle(), "onnx", str(threads)],
        "onnx int4 bundle, a new persona": lambda: [*child, "ruxi", bundle(), "onnx", str(threads), "unknown"],
        "ruxi chat with it": lambda: [*ruxi, "chat", "--engine", "onnx", "--model", bundle(), "--say", WORDS],
        "torch": lambda: [
            *child, "ruxi", str(rival_files.adapter_folder(work, "cross_attention")), "torch", str(threads),
        ],
        "llama.cpp q4_0": lambda: [*child, "llama", str(rival_files.gguf_file(work, "q4_0")), str(threads)],
        "transformers bfloat16": lambda: [*child, "transformers", str(rival_files.language_model()), str(threads)],
    }  # fmt: skip


def main() -> None:
    from rivals import arguments, chosen
    from side_by_side import show, spread

    parser = arguments(__doc__.splitlines()[0], repetitions=5)
    options = parser.parse_args()
    repetitions = 2 if options.quick else options.repetitions
    only = chosen(options.only)
    started: dict[str, list[str]] = {}
    for name, make in commands(options.work, options.threads).items():
        if only and not any(name.startswith(one) for one in only):
            continue
        try:
            started[name] = make()
            if not options.prepare:
                seconds_to_first_word(started[name], options.clock)
        except Exception as error:  # whatever a contender's library raises is told, not hidden
            started.pop(name, None)
            print(f"skipped {name}: {error}".splitlines()[0], file=sys.stderr)
    if options.prepare:
        return
    found: dict[str, list[float]] = {name: [] for name in started}
    for _ in range(repetitions):
        for name, command in started.items():
            found[name].append(seconds_to_first_word(command, options.clock))
            print(f"{name}: {found[name][-1]:.2f} s", file=sys.stderr)
    rows = [{"contender": name, "seconds (min / median / max)": spread(values)} for name, values in found.items()]
    show(rows, as_json=options.json)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        CHILDREN[sys.argv[2]](*sys.argv[3:])
    else:
        main()
