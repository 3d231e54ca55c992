"""The reference engine against the library's own generation, and against itself without its cache."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from ruxi.characters import Character
from ruxi.dialogues import Dialogue, Turn
from ruxi.errors import EngineError
from ruxi.model import RolePlayConfig, RolePlayForCausalLM
from ruxi.prompt import Prompt
from ruxi.runtime import Engine, Media, Sampling
from ruxi.runtime.reading import Reader
from ruxi.runtime.torch_engine import TorchEngine
from tests.runtime.talk import GREEDY, IMAGE, SOUND, dialogue, features, seeing
from tests.scripted import small_tokenizer

MIRA = Character(name="Mira", description="An airship captain.")


MEDIA: Media = {IMAGE: features(12, 1), SOUND: features(10, 2, length=9)}


@pytest.fixture
def engine(llama_folder: Path) -> Callable[..., TorchEngine]:
    def build(gate: float = 0.0, **settings: object) -> TorchEngine:
        torch.manual_seed(2)
        model = RolePlayForCausalLM.from_base(
            str(llama_folder),
            modalities={
                "image": {"extractor": "eyes", "width": 12, "tokens": 4},
                "speech": {"extractor": "ears", "width": 10, "tokens": 3},
            },
            resampler={"width": 16, "depth": 1, "heads": 2},
            fusion={"every": 2, "heads": 2, "head_width": 8, **settings.pop("fusion", {})},  # type: ignore[dict-item]
            **settings,
        )
        for block in model.fusion.blocks.values():
            torch.nn.init.constant_(block.gate, gate)
        return TorchEngine(model, small_tokenizer())

    return build


def ask(engine: TorchEngine, talk: Dialogue, **options: object) -> Prompt:
    return engine.prompts.build(MIRA, talk, **options)  # type: ignore[arg-type]


def tokens_of(engine: TorchEngine, prompt: Prompt, sampling: Sampling, media: Media | None = None) -> list[int]:
    return [token for delta in engine.generate(prompt, media or {}, sampling) for token in delta.token_ids]


def passes(engine: TorchEngine) -> list[int]:
    """Length of every forward pass of the decoder from now on."""
    lengths: list[int] = []
    decoder = engine.model.language_model.get_decoder()
    decoder.layers[0].register_forward_pre_hook(lambda _, args: lengths.append(args[0].shape[1]))
    return lengths


def test_it_is_an_engine_and_says_which_extractors_it_needs(engine: Callable[..., TorchEngine]) -> None:
    one = engine()
    assert isinstance(one, Engine)
    assert one.extractor_names() == {"image": "eyes", "audio": "ears"}


def test_greedy_replies_are_those_of_transformers(engine: Callable[..., TorchEngine]) -> None:
    one = engine()
    prompt = ask(one, dialogue(("User", "What do you see?")))
    inputs = torch.tensor([prompt.input_ids])
    expected = one.model.language_model.generate(
        inputs, attention_mask=torch.ones_like(inputs), do_sample=False, max_new_tokens=24, pad_token_id=0
    )[0, len(prompt.input_ids) :].tolist()
    end = one.prompts.end_of_turn_ids[0]
    assert tokens_of(one, prompt, GREEDY) == expected[: expected.index(end) if end in expected else None]


def test_media_with_open_gates_change_the_reply_as_in_the_model_itself(engine: Callable[..., TorchEngine]) -> None:
    one = engine(gate=2.0)
    prompt = ask(one, seeing())
    with_media = tokens_of(one, prompt, GREEDY, MEDIA)
    assert with_media != tokens_of(one, prompt, GREEDY)
    inputs = _as_batch(one, prompt)
    expected = one.model.generate(
        inputs["input_ids"], media=inputs["media"], turn_ids=inputs["turn_ids"],
        attention_mask=torch.ones_like(inputs["input_ids"]), do_sample=False, max_new_tokens=24, pad_token_id=0,
    )[0, len(prompt.input_ids) :].tolist()  # fmt: skip
    assert with_media == expected[: len(with_media)]


def test_with_closed_gates_media_are_not_even_encoded(engine: Callable[..., TorchEngine]) -> None:
    one = engine(gate=0.0)
    prompt = ask(one, seeing())
    one.model.encode_media = lambda media=None, **_: {} if not media else pytest.fail("encoded")  # type: ignore
    assert not one.uses_media
    assert tokens_of(one, prompt, GREEDY, MEDIA) == tokens_of(one, prompt, GREEDY)


def test_a_seed_repeats_a_reply_whatever_was_said_before(engine: Callable[..., TorchEngine]) -> None:
    one = engine()
    prompt = ask(one, dialogue(("User", "What do you see?")))
    hot = Sampling(temperature=1.5, max_tokens=30, seed=11)
    first = tokens_of(one, prompt, hot)
    tokens_of(one, ask(one, dialogue(("User", "Captain!"))), Sampling(max_tokens=5))
    assert tokens_of(one, prompt, hot) == first
    assert tokens_of(one, prompt, Sampling(temperature=1.5, max_tokens=30, seed=12)) != first


def test_the_next_turn_is_read_from_where_the_last_one_ended(engine: Callable[..., TorchEngine]) -> None:
    one = engine(gate=1.0)
    talk = seeing()
    prompt = ask(one, talk)
    tokens_of(one, prompt, Sampling(max_tokens=3), MEDIA)
    talk.turns += [Turn.of_text("Mira", "Aye."), Turn.of_text("User", "Good.")]
    longer = ask(one, talk)
    lengths = passes(one)
    tokens_of(one, longer, Sampling(max_tokens=3), MEDIA)
    assert lengths[0] <= len(longer.input_ids) - len(prompt.input_ids) + 1


def test_what_was_kept_gives_the_same_states_as_reading_anew(engine: Callable[..., TorchEngine]) -> None:
    one = engine(gate=1.0)
    reader = Reader(one.model, uses_media=True)
    talk = seeing()
    with torch.inference_mode():
        kept, _ = reader.read_prompt(ask(one, talk), MEDIA, guided_turns=[])
        talk.turns.append(Turn.of_text("Mira", "The wind is turning."))
        longer = ask(one, talk)
        _, fast = reader.read_prompt(longer, MEDIA, guided_turns=[], kept=kept)
        _, slow = reader.read_prompt(longer, MEDIA, guided_turns=[])
    assert len(fast) < len(slow) / 2
    torch.testing.assert_close(fast, slow[-len(fast) :], atol=1e-4, rtol=1e-4)


def test_another_picture_in_an_earlier_turn_is_not_mistaken_for_the_old_one(
    engine: Callable[..., TorchEngine],
) -> None:
    one = engine(gate=1.0)
    reader = Reader(one.model, uses_media=True)
    other = {**MEDIA, "c" * 64: features(12, 9)}
    talk = seeing()
    with torch.inference_mode():
        kept, _ = reader.read_prompt(ask(one, talk), other, guided_turns=[])
        talk.turns[2].parts[0].media = "c" * 64
        changed = ask(one, talk)
        _, fast = reader.read_prompt(changed, other, guided_turns=[], kept=kept)
        _, slow = reader.read_prompt(changed, other, guided_turns=[])
    first_changed = changed.turn_ids.index(2)
    assert len(fast) == len(changed.input_ids) - first_changed
    torch.testing.assert_close(fast, slow[first_changed:], atol=1e-4, rtol=1e-4)


def test_closing_a_reply_stops_the_work_within_one_token(engine: Callable[..., TorchEngine]) -> None:
    one = engine()
    lengths = passes(one)
    reply = one.generate(ask(one, dialogue(("User", "Talk!"))), {}, Sampling(max_tokens=100, temperature=1.5))
    next(reply)
    read = len(lengths)
    reply.close()
    assert read == len(lengths) == 1


def test_two_replies_at_once_do_not_disturb_each_other(engine: Callable[..., TorchEngine]) -> None:
    one = engine(gate=1.5)
    prompts = [ask(one, seeing()), ask(one, dialogue(("User", "What do you see?")))]
    alone = [tokens_of(one, prompt, GREEDY, MEDIA) for prompt in prompts]
    found: dict[int, list[list[int]]] = {0: [], 1: []}

    def work(index: int) -> None:
        for _ in range(5):
            found[index].append(tokens_of(one, prompts[index], GREEDY, MEDIA))

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {index: [alone[index]] * 5 for index in (0, 1)}


def test_a_full_context_is_an_error_and_a_nearly_full_one_ends_the_reply(
    engine: Callable[..., TorchEngine],
) -> None:
    one = engine()
    prompt = ask(one, dialogue(("User", "What do you see?")))
    one.context_length = len(prompt.input_ids) + 4
    deltas = list(one.generate(prompt, {}, Sampling(temperature=1.5, logit_bias={one.prompts.end_of_turn_ids[0]: -99})))
    assert sum(len(delta.token_ids) for delta in deltas) == 4
    assert deltas[-1].finish_reason == "length"
    one.context_length = len(prompt.input_ids)
    with pytest.raises(EngineError, match="leaves no room"):
        one.generate(prompt, {}, Sampling())


def test_stop_strings_of_the_prompt_end_the_reply_before_the_user_is_spoken_for(
    engine: Callable[..., TorchEngine],
) -> None:
    one = engine()
    prompt = ask(one, dialogue(("User", "What do you see?")))
    assert "\nUser:" in prompt.stop
    script = iter(small_tokenizer().encode("Aye.\nUser: hello", add_special_tokens=False).ids)
    one._logits = lambda hidden: np.eye(1, 403, next(script), dtype=np.float32)  # type: ignore
    deltas = list(one.generate(prompt, {}, GREEDY))
    assert "".join(delta.text for delta in deltas) == "Aye."
    assert deltas[-1].finish_reason == "stop"


def test_likelihoods_are_the_models_and_do_not_depend_on_what_was_read_before(
    engine: Callable[..., TorchEngine],
) -> None:
    one = engine(gate=1.0)
    prompts = []
    for answer in ("A cat.", "A ship and a cat.", "Nothing."):
        talk = seeing()
        talk.turns.append(Turn.of_text("Mira", answer))
        prompts.append(ask(one, talk, reply=False, targets="last"))
    together = one.log_likelihood(prompts, MEDIA)
    for prompt, found in zip(prompts, together, strict=True):
        inputs = _as_batch(one, prompt)
        with torch.inference_mode():
            logits = one.model(inputs["input_ids"], turn_ids=inputs["turn_ids"], media=inputs["media"]).logits[0]
        scores = logits[:-1].log_softmax(-1).gather(1, inputs["input_ids"][0, 1:, None])[:, 0]
        wanted = scores[torch.tensor(prompt.loss_mask)[1:]].numpy()
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_guidance_is_read_at_the_end_of_the_users_turn_and_reported(engine: Callable[..., TorchEngine]) -> None:
    one = engine(gate=1.0, guidance={})
    talk = seeing()
    prompt = ask(one, talk, emotion="joy")
    last = list(one.generate(prompt, MEDIA, GREEDY))[-1]
    assert last.emotion == "joy"
    assert last.user_emotion in one.model.config.guidance_settings.emotions
    assert last.user_intent in one.model.config.guidance_settings.intents
    # The same words with other guidance tokens: the same history, another reply.
    reply = prompt.turn_ids.index(5)
    with torch.inference_mode():
        _, joyful = one._reader.read_prompt(prompt, MEDIA, guided_turns=[5])
        _, sad = one._reader.read_prompt(replace(prompt, emotion="sadness"), MEDIA, guided_turns=[5])
    assert torch.equal(joyful[:reply], sad[:reply])
    assert (joyful[reply:] - sad[reply:]).abs().max() > 1e-3


def test_guided_reading_goes_on_from_before_the_guided_tokens(engine: Callable[..., TorchEngine]) -> None:
    one = engine(gate=1.0, guidance={})
    reader = Reader(one.model, uses_media=True)
    talk = seeing()
    prompt = ask(one, talk)
    with torch.inference_mode():
        kept, _ = reader.read_prompt(prompt, MEDIA, guided_turns=[prompt.turn_ids[-1]])
        talk.turns += [Turn.of_text("Mira", "Aye."), Turn.of_text("User", "Good.")]
        longer = ask(one, talk)
        guided = [longer.turn_ids[-1]]
        _, fast = reader.read_prompt(longer, MEDIA, guided_turns=guided, kept=kept)
        _, slow = reader.read_prompt(longer, MEDIA, guided_turns=guided)
    assert len(slow) - len(fast) == prompt.turn_ids.index(prompt.turn_ids[-1])
    torch.testing.assert_close(fast, slow[-len(fast) :], atol=1e-4, rtol=1e-4)


def test_layers_with_a_sliding_window_are_read_anew_and_right() -> None:
    tokenizer = small_tokenizer()
    torch.manual_seed(3)
    config = Gemma2Config(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, intermediate_size=64, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, sliding_window=16, initializer_range=0.3,
    )  # fmt: skip
    base = Gemma2ForCausalLM(config).eval()
    one = TorchEngine(RolePlayForCausalLM.around(base, RolePlayConfig(text_config=config)), tokenizer)
    tokens_of(one, ask(one, dialogue(("User", "Captain!"))), Sampling(max_tokens=3))
    prompt = ask(one, dialogue(("User", "What do you see?")))
    inputs = torch.tensor([prompt.input_ids])
    with torch.inference_mode():
        expected = base(inputs).logits[0, -1]
        _, hidden = one._reader.read_prompt(prompt, {}, guided_turns=[], kept=one._take_kept())
        torch.testing.assert_close(one.model.logits(hidden[-1]), expected, atol=1e-4, rtol=1e-4)


def test_media_before_the_text_work_as_well(engine: Callable[..., TorchEngine]) -> None:
    one = engine(fusion={"kind": "prefix"})
    prompt = ask(one, seeing())
    inputs = _as_batch(one, prompt)
    expected = one.model.generate(
        inputs["input_ids"], media=inputs["media"], turn_ids=inputs["turn_ids"],
        attention_mask=torch.ones_like(inputs["input_ids"]), do_sample=False, max_new_tokens=24, pad_token_id=0,
    )[0, len(prompt.input_ids) :].tolist()  # fmt: skip
    found = tokens_of(one, prompt, GREEDY, MEDIA)
    assert found == expected[: len(found)]
    assert found != tokens_of(one, prompt, GREEDY)


def _as_batch(engine: TorchEngine, prompt: Prompt) -> dict[str, object]:
    from ruxi.model import media_inputs, placed_media

    placed = placed_media([prompt], MEDIA, engine.model.config.modality_settings)
    return {
        "input_ids": torch.tensor([prompt.input_ids]),
        "turn_ids": torch.tensor([prompt.turn_ids]),
        "media": media_inputs(placed),
    }
