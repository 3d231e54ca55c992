"""The same tiny random models behind both engines: the reference, and the one that runs exported graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ruxi.characters import Character
from ruxi.compress.export import export_engine
from ruxi.dialogues import Dialogue
from ruxi.model import RolePlayConfig, RolePlayForCausalLM
from ruxi.prompt import Prompt
from ruxi.runtime import Engine, Media, Sampling
from ruxi.runtime.onnx.bundle import Bundle
from ruxi.runtime.onnx.engine import OnnxEngine
from ruxi.runtime.torch_engine import TorchEngine
from tests.runtime.talk import GREEDY, IMAGE, SOUND, features
from tests.scripted import small_tokenizer

MIRA = Character(name="Mira", description="An airship captain. " * 12)
OTHER = "c" * 64


MODALITIES = {
    "image": {"extractor": "eyes", "width": 12, "tokens": 4},
    "speech": {"extractor": "ears", "width": 10, "tokens": 3},
}
MEDIA: Media = {IMAGE: features(12, 1), OTHER: features(12, 5), SOUND: features(10, 2, length=9)}


def ask(engine: Engine, talk: Dialogue, **options: object) -> Prompt:
    return engine.prompts.build(MIRA, talk, **options)  # type: ignore[arg-type]


def tokens_of(engine: Engine, prompt: Prompt, sampling: Sampling = GREEDY, media: Media | None = None) -> list[int]:
    return [token for delta in engine.generate(prompt, media or {}, sampling) for token in delta.token_ids]


@dataclass(frozen=True)
class Pair:
    """One model behind the reference engine, and its bundle."""

    torch: TorchEngine
    bundle: Bundle


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pair]:
    """Both engines of a model with these settings, made once."""
    made: dict[str, Pair] = {}

    def pair(gate: float = 1.5, **settings: object) -> Pair:
        key = f"{gate} {settings}"
        if key not in made:
            made[key] = _make(tmp_path_factory.mktemp("bundle") / "b", gate, settings)
        return made[key]

    return pair


@pytest.fixture
def opened() -> Iterator[Callable[..., OnnxEngine]]:
    """Opens the fast engine of a pair, and closes it when the test ends."""
    with ExitStack() as stack:
        yield lambda pair, **options: stack.enter_context(OnnxEngine(pair.bundle, threads=1, **options))


def _make(folder: Path, gate: float, settings: dict[str, object]) -> Pair:
    tokenizer = small_tokenizer()
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=64, intermediate_size=64, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024, initializer_range=0.3,
    )  # fmt: skip
    base = LlamaForCausalLM(config).eval()
    special = [i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special]
    base.lm_head.weight.data[special] = 0.0  # a talkative model: it hardly ends a reply by itself
    model = RolePlayForCausalLM.around(
        base,
        RolePlayConfig(
            text_config=config,
            modalities=settings.pop("modalities", MODALITIES),
            resampler={"width": 16, "depth": 1, "heads": 2},
            fusion={"every": 2, "heads": 2, "head_width": 16, **settings.pop("fusion", {})},  # type: ignore[dict-item]
            **settings,
        ),
    )
    for block in model.fusion.blocks.values():
        torch.nn.init.constant_(block.gate, gate)
    engine = TorchEngine(model, tokenizer)
    return Pair(engine, export_engine(engine, folder, "fp32"))
