"""The whole model: batches, caches, generation, adapters on disk."""

from __future__ import annotations

import pytest
import torch

from ruxi.errors import ModelError
from ruxi.model import GuidanceInputs, RolePlayForCausalLM
from tests.model.conftest import FAMILIES, SHAPE, media, tiny_base, tokens

KINDS = {
    "cross_attention": {"kind": "cross_attention", "every": 2, "heads": 2, "head_width": 8},
    "prefix": {"kind": "prefix", "heads": 2, "head_width": 8},
    "own_projections": {"every": 2, "heads": 2, "head_width": 8, "share_projections": False},
}
TURNS = torch.tensor([-1, -1, 0, 0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_gives_what_its_rows_give_one_by_one(build, kind):
    model, ids = build(gate=0.6, fusion=KINDS[kind]), tokens(2, 9)
    both = media(("image", 0, 0), ("image", 1, 0), ("image", 1, 2), ("speech", 1, 2), lengths=(6, 4, 6, 8))
    mask = torch.ones_like(ids)
    mask[0, :2] = 0
    turns = TURNS.expand(2, -1)
    batch = model(input_ids=ids, attention_mask=mask, turn_ids=turns, media=both).logits
    first = media(("image", 0, 0), lengths=(6,))
    alone = model(input_ids=ids[:1, 2:], turn_ids=turns[:1, 2:], media=first).logits
    torch.testing.assert_close(batch[:1, 2:], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_cached_decoding_equals_a_full_pass(build, family):
    model, ids = build(family, gate=0.6), tokens(1, 9)
    turns = TURNS[None]
    streams = model.encode_media(media(("image", 0, 0), ("speech", 0, 2)), batch=1)
    full = model(input_ids=ids, turn_ids=turns, streams=streams).logits
    cache, steps = None, []
    for at in range(ids.shape[1]):
        output = model(
            input_ids=ids[:, at : at + 1],
            turn_ids=turns[:, at : at + 1],
            streams=streams,
            past_key_values=cache,
            use_cache=True,
        )
        cache = output.past_key_values
        steps.append(output.logits)
    torch.testing.assert_close(torch.cat(steps, 1), full, atol=1e-5, rtol=1e-4)


def _greedy(model, ids, turns, pictures, count):
    for _ in range(count):
        logits = model(input_ids=ids, turn_ids=turns, media=pictures).logits[:, -1]
        ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], 1)
        turns = torch.cat([turns, turns[:, -1:]], 1)
    return ids


@pytest.mark.parametrize("kind", KINDS)
def test_generate_is_the_greedy_path_of_full_passes(build, kind):
    model, ids = build(gate=0.6, fusion=KINDS[kind]), tokens(1, 9)
    model.generation_config.eos_token_id = None
    pictures = media(("image", 0, 0), ("speech", 0, 2))
    made = model.generate(ids, turn_ids=TURNS[None], media=pictures, max_new_tokens=8, do_sample=False)
    assert torch.equal(made, _greedy(model, ids, TURNS[None], pictures, 8))


def test_generate_pads_left_and_samples_several(build):
    model, ids = build(gate=0.6), tokens(2, 9)
    mask = torch.ones_like(ids)
    mask[0, :2] = 0
    pictures = media(("image", 0, 0), ("image", 1, 0), lengths=(6, 6))
    options = {"max_new_tokens": 5, "do_sample": False, "num_beams": 3, "num_return_sequences": 2}
    made = model.generate(
        ids, attention_mask=mask, turn_ids=TURNS.expand(2, -1), media=pictures, pad_token_id=0, **options
    )
    alone = model.generate(
        ids[1:], turn_ids=TURNS[None], media=media(("image", 0, 0), seed=4), pad_token_id=0, **options
    )
    assert made.shape[0] == 4
    assert torch.equal(made[2:, : alone.shape[1]], alone)


def test_guidance_is_seen_by_its_own_reply_only(build):
    model, ids = build(gate=0.6), tokens(1, 9)
    settings = model.config.guidance_settings
    emotions, intents = len(settings.emotions), len(settings.intents)
    inputs = GuidanceInputs(
        persona=model.persona_embedding(ids, TURNS[None], torch.tensor([0])),
        user_emotion=torch.zeros(1, emotions),
        user_intent=torch.zeros(1, intents),
        reply_emotion=torch.nn.functional.one_hot(torch.tensor([3]), emotions).float(),
        row=torch.tensor([0]),
        turn=torch.tensor([1]),
    )
    plain = model(input_ids=ids, turn_ids=TURNS[None]).logits
    guided = model.decode(ids, turn_ids=TURNS[None], streams=model.encode_media(guidance=inputs, batch=1))
    fused = model.decode(ids, turn_ids=TURNS[None], streams={})
    changed = (guided.last_hidden_state - fused.last_hidden_state).abs().amax(-1)[0]
    assert torch.equal(changed[TURNS < 1], torch.zeros(5))
    assert (changed[TURNS == 1] > 0).all()
    assert plain.shape[1] == 9


def test_heads_perceive_at_the_end_of_a_turn_with_the_media_seen_by_then(build):
    model, ids = build(), tokens(1, 9)
    streams = model.encode_media(media(("image", 0, 2)), batch=1)
    hidden = model.decode(ids, turn_ids=TURNS[None], streams=streams).last_hidden_state
    rows, ends = torch.tensor([0, 0]), torch.tensor([4, 8])
    seen = model.perceive(hidden, rows, ends, TURNS[None], streams)
    blind = model.perceive(hidden, rows, ends, TURNS[None], None)
    assert seen.emotion_logits.shape == (2, 28)
    assert torch.equal(seen.emotion_logits[0], blind.emotion_logits[0])
    assert not torch.equal(seen.emotion_logits[1], blind.emotion_logits[1])


def test_the_media_of_a_turn_add_the_emotion_that_each_shows_by_itself(build):
    model, ids = build(), tokens(2, 9)
    shown = media(
        ("image", 0, 0), ("image", 0, 0), ("speech", 0, 0), ("image", 0, 2), ("image", 1, 2), lengths=(6, 4, 3, 5, 6)
    )
    turns, rows, ends = TURNS.expand(2, -1), torch.tensor([0, 0, 1]), torch.tensor([4, 8, 8])

    def perceived():
        streams = model.encode_media(shown, batch=2)
        hidden = model.decode(ids, turn_ids=turns, streams=streams).last_hidden_state
        return model.perceive(hidden, rows, ends, turns, streams)

    before = perceived()
    heads = model.guidance.media_heads
    torch.manual_seed(5)
    for head in heads.values():
        torch.nn.init.normal_(head.head.weight, std=0.001)
    after = perceived()

    def alone(name, index):
        features = shown[name].values[index][shown[name].mask[index]]
        return heads[name](features[None], torch.ones(1, len(features), dtype=torch.bool))[0]

    # The two pictures and the voice of turn 0 are history in turn 2.
    expected = [alone("image", 0) + alone("image", 1) + alone("speech", 0), alone("image", 2), alone("image", 3)]
    torch.testing.assert_close(after.emotion_logits, before.emotion_logits + torch.stack(expected))
    assert torch.equal(after.intent_logits, before.intent_logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_adapter_round_trip(build, tmp_path, dtype):
    tiny_base().save_pretrained(tmp_path / "base")
    _save_tokenizer(tmp_path / "base")
    settings = {
        "modalities": {"image": {"extractor": "x", "width": 12, "tokens": 5}},
        "resampler": {"width": 16, "depth": 1, "heads": 2},
        "fusion": KINDS["cross_attention"],
        "guidance": {},
        "lora": {"rank": 2},
    }
    model = RolePlayForCausalLM.from_base(str(tmp_path / "base"), dtype=dtype, **settings)
    with torch.no_grad():
        for tensor in model.adapter_weights().values():
            tensor.copy_(torch.randn_like(tensor) * 0.05)
    model.save_pretrained(tmp_path / "adapter")
    again = RolePlayForCausalLM.from_pretrained(tmp_path / "adapter", dtype=dtype)
    ids, picture = tokens(1, 9), media(("image", 0, 0))
    expected = model(input_ids=ids, turn_ids=TURNS[None], media=picture).logits
    assert torch.equal(again(input_ids=ids, turn_ids=TURNS[None], media=picture).logits, expected)
    assert again.config.to_dict()["text_config"]["_name_or_path"] == again.config.base_model
    size = (tmp_path / "adapter" / "adapter.safetensors").stat().st_size
    assert size < 4 * sum(t.numel() for t in model.adapter_weights().values()) + 30_000


def test_an_adapter_refuses_another_base_model(tmp_path):
    for seed in (1, 2):
        base = tiny_base()
        base.lm_head.weight.data.mul_(seed)
        base.save_pretrained(tmp_path / f"base{seed}")
        _save_tokenizer(tmp_path / f"base{seed}")
    model = RolePlayForCausalLM.from_base(str(tmp_path / "base1"))
    model.save_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelError, match="another base model"):
        RolePlayForCausalLM.from_pretrained(tmp_path / "adapter", base_model=str(tmp_path / "base2"))


def test_damaged_adapters_are_named(tmp_path):
    tiny_base().save_pretrained(tmp_path / "base")
    _save_tokenizer(tmp_path / "base")
    model = RolePlayForCausalLM.from_base(str(tmp_path / "base"), modalities={"image": {"extractor": "x", "width": 12}})
    model.save_pretrained(tmp_path / "adapter")
    weights = tmp_path / "adapter" / "adapter.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"adapter\.safetensors"):
        RolePlayForCausalLM.from_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelError, match=r"no config\.json"):
        RolePlayForCausalLM.from_pretrained(tmp_path / "nowhere")


def test_wrong_features_are_named(build):
    wrong = media(("image", 0, 0))
    object.__setattr__(wrong["image"], "values", torch.randn(1, 6, 13))
    with pytest.raises(ModelError, match="13 wide, not 12"):
        build()(input_ids=tokens(1, 4), media=wrong)


def _save_tokenizer(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {f"w{i}": i for i in range(3, SHAPE["vocab_size"])}
    tokenizer = Tokenizer(models.WordLevel({"<pad>": 0, "<s>": 1, "</s>": 2, **words}, unk_token="w3"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>").save_pretrained(folder)
