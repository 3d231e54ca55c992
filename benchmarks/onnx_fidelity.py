"""How far an exported decoder is from torch: logits of the fp32 graph, and likelihood lost by fewer bits.

    python benchmarks/onnx_fidelity.py DATA [--model ruxi-mini] [--items 24] [--open-gates 0.5] [--json]

DATA is the folder that `ruxi data import mmrole-bench` made. True replies are scored by the torch model in float32 and
by each graph, from the same tokens; loss is the difference of their mean log-likelihoods in nats a token, with its
standard error over tokens. `--open-gates` opens the gates of a model whose fusion is untrained and gives it random
media, so that the fused branch is measured too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from ruxi.compress.export import export_engine
from ruxi.evaluation import EvaluationData, Player, make_task
from ruxi.evaluation.replies import before_reply
from ruxi.model import MediaInputs
from ruxi.prompt import Prompt
from ruxi.runtime import load
from ruxi.runtime.onnx.bundle import DECODER, Bundle

CONTEXT_TOKENS, REPLY_TOKENS = 448, 96


def prompts_of(folder: Path, engine: Any, items: int) -> list[Prompt]:
    """True replies in their contexts; pictures are left to words, which cost less time."""
    data, player = EvaluationData(folder), Player(engine)
    task = make_task("reply_likelihood", {"items": items, "context_tokens": CONTEXT_TOKENS})
    builder = engine.prompts.with_options(context_length=CONTEXT_TOKENS, persona_tokens=task.options.persona_tokens)
    return [
        player.answered(
            builder.build(item.character, before_reply(item), speaker=item.speaker, targets="none"),
            item.candidates[0],
            REPLY_TOKENS,
        )
        for item in task.items(data, 0)
    ]


def random_media(model: Any) -> dict[str, MediaInputs]:
    """One medium a stream, from the first turn on."""
    found, draw = {}, torch.Generator().manual_seed(0)
    for name, settings in model.config.modality_settings.items():
        values = torch.randn(1, 49, settings.width, generator=draw)
        zero = torch.zeros(1, dtype=torch.long)
        found[name] = MediaInputs(values, torch.ones(1, 49, dtype=torch.bool), zero, zero)
    return found


class Graph:
    """A bundle's decoder that reads one whole prompt at a time."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(
            str(bundle.path(DECODER)), options, providers=["CPUExecutionProvider"]
        )
        self.shape, self.fusion, self.fuses = bundle.config.shape, bundle.config.fusion, bundle.fuses

    def logits(self, prompt: Prompt, keep: np.ndarray, streams: Any) -> np.ndarray:
        """Logits at some positions of a prompt, `[kept, vocabulary]`."""
        count = len(prompt.input_ids)
        feed: dict[str, Any] = {
            "input_ids": np.array([prompt.input_ids]),
            "query_seqlens": np.array([count], dtype=np.int32),
            "seqlens_k": np.array([count - 1], dtype=np.int32),
            "total_sequence_length": np.array(count, dtype=np.int32),
            "keep": keep[None],
        }
        empty = np.zeros((1, self.shape.kv_heads, count, self.shape.head_width), dtype=np.float32)
        feed |= {f"past_{part}_{i}": empty for part in ("key", "value") for i in range(self.shape.layers)}
        if self.fuses:
            feed |= self._fused(prompt, streams)
        found: np.ndarray = self.session.run(["logits"], feed)[0][0]
        return found

    def _fused(self, prompt: Prompt, streams: Any) -> dict[str, np.ndarray]:
        turns = torch.tensor([prompt.turn_ids])
        fusion = self.fusion
        longest = max((stream.keys.shape[3] for stream in streams.values()), default=0)
        shape = (fusion.sets, 1, len(fusion.streams) * fusion.heads, longest, fusion.head_width)
        keys, values = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        visible = np.zeros((*turns.shape, len(fusion.streams), longest), dtype=bool)
        for index, name in enumerate(fusion.streams):
            if name in streams:
                heads = slice(index * fusion.heads, (index + 1) * fusion.heads)
                count = streams[name].keys.shape[3]
                keys[:, :, heads, :count] = streams[name].keys
                values[:, :, heads, :count] = streams[name].values
                visible[:, :, index, :count] = streams[name].visible(turns, torch.zeros_like(turns))
        return {"visible": visible, "media_keys": keys, "media_values": values}


def scores(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Log-probability of each target."""
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=-1, keepdims=True)
    found: np.ndarray = logits[np.arange(len(targets)), targets] - np.log(np.exp(logits).sum(axis=-1))
    return found


@torch.inference_mode()
def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    engine: Any = load(arguments.model, dtype="float32", threads=arguments.threads)
    model = engine.model
    if arguments.open_gates:
        torch.manual_seed(0)
        for block in model.fusion.blocks.values():
            torch.nn.init.constant_(block.gate, arguments.open_gates)
    streams = model.encode_media(random_media(model)) if engine.uses_media else {}
    prompts = prompts_of(arguments.data, engine, arguments.items)
    wanted = [np.nonzero(prompt.loss_mask)[0] for prompt in prompts]
    targets = [np.array(prompt.input_ids)[at] for prompt, at in zip(prompts, wanted, strict=True)]
    reference = [
        model(
            input_ids=torch.tensor([prompt.input_ids]),
            turn_ids=torch.tensor([prompt.turn_ids]),
            streams=streams,
            logits_to_keep=torch.tensor(at - 1),
        )
        .logits[0]
        .numpy()
        for prompt, at in zip(prompts, wanted, strict=True)
    ]
    rows = []
    for precision in arguments.precisions.split(","):
        with tempfile.TemporaryDirectory() as folder:
            bundle = export_engine(engine, Path(folder) / "bundle", precision)
            size = sum(path.stat().st_size for path in bundle.folder.iterdir() if "decoder" in path.name)
            graph = Graph(bundle, arguments.threads)
            found = [graph.logits(p, at - 1, streams) for p, at in zip(prompts, wanted, strict=True)]
        largest = max(float(np.abs(a - b).max()) for a, b in zip(found, reference, strict=True))
        lost = np.concatenate([scores(b, t) - scores(a, t) for a, b, t in zip(found, reference, targets, strict=True)])
        same = np.concatenate([a.argmax(-1) == b.argmax(-1) for a, b in zip(found, reference, strict=True)])
        rows.append(
            {
                "precision": precision,
                "decoder MB": round(size / 1e6, 1),
                "largest logit difference": float(f"{largest:.3g}"),
                "loss, nats a token": round(float(lost.mean()), 4),
                "standard error": round(float(lost.std() / np.sqrt(len(lost))), 4),
                "same first choice": round(float(same.mean()), 4),
                "tokens": len(lost),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="ruxi-mini")
    parser.add_argument("--precisions", default="fp32,int8,int4,auto", help="separated by commas")
    parser.add_argument("--items", type=int, default=24)
    parser.add_argument("--open-gates", type=float, default=0.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = measure(arguments)
    if arguments.json:
        print(json.dumps(rows))
        return
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(map(str, row.values())) + " |")


if __name__ == "__main__":
    main()
