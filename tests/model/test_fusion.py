"""The fusion's formulas, checked against PyTorch's own attention and against the rules that must stay true."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ruxi.model.fusion import cross_attention
from tests.model.conftest import FAMILIES, media, tiny_base, tokens

TURNS = torch.tensor([[-1, -1, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3]])


def test_attention_equals_scaled_dot_product_attention():
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, 7, 8), torch.randn(2, 4, 5, 8), torch.randn(2, 4, 5, 8)
    visible = torch.rand(2, 7, 5) > 0.3
    visible[..., 0] = True
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=visible[:, None]).transpose(1, 2).flatten(2)
    fast, none = cross_attention(q, k, v, visible)
    explained, weights = cross_attention(q, k, v, visible, weights=True)
    torch.testing.assert_close(fast, expected)
    torch.testing.assert_close(explained, expected)
    assert none is None
    assert weights is not None
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 7))


def test_a_query_that_sees_nothing_gets_zeros():
    q, k, v = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 5, 4), torch.randn(1, 2, 5, 4)
    visible = torch.zeros(1, 3, 5, dtype=torch.bool)
    visible[:, 1] = True
    attended, weights = cross_attention(q, k, v, visible, weights=True)
    assert attended[0, 0].abs().sum() == 0
    assert attended[0, 1].abs().sum() > 0
    assert weights[0, :, 2].sum() == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_with_closed_gates_media_change_no_bit(build, family):
    model, base, ids = build(family), tiny_base(family), tokens(1, 12)
    expected = base(input_ids=ids).logits
    found = model(input_ids=ids, turn_ids=TURNS, media=media(("image", 0, 0), ("speech", 0, 2))).logits
    assert torch.equal(found, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_with_open_gates_a_dialogue_without_media_is_the_base_model_to_the_bit(build, family):
    model, base, ids = build(family, gate=0.7), tiny_base(family), tokens(2, 12)
    assert torch.equal(model(input_ids=ids).logits, base(input_ids=ids).logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_open_gates_let_the_picture_in(build, family):
    model, base, ids = build(family, gate=0.7), tiny_base(family), tokens(1, 12)
    found = model(input_ids=ids, turn_ids=TURNS, media=media(("image", 0, 0))).logits
    assert (found - base(input_ids=ids).logits).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["cross_attention", "prefix"])
def test_no_turn_attends_to_later_media(build, kind):
    model = build(gate=0.7, fusion={"kind": kind, "every": 2, "heads": 2, "head_width": 8})
    ids = tokens(1, 12)
    early = model(input_ids=ids, turn_ids=TURNS, media=media(("image", 0, 0), ("image", 0, 2))).logits
    changed = media(("image", 0, 0), ("image", 0, 2))
    changed["image"].values[1] = changed["image"].values[1].flip(-1)
    late = model(input_ids=ids, turn_ids=TURNS, media=changed).logits
    before = TURNS[0] < 2
    torch.testing.assert_close(early[:, before], late[:, before], rtol=0, atol=1e-6)
    assert (early[:, ~before] - late[:, ~before]).abs().max() > 1e-4


def test_a_missing_modality_contributes_zeros_not_a_dummy(build):
    """A model asked without speech must not differ from one whose speech stream has nothing that may be seen."""
    model, ids = build(gate=0.7), tokens(1, 12)
    without = model(input_ids=ids, turn_ids=TURNS, media=media(("image", 0, 0))).logits
    unseen = media(("image", 0, 0), ("speech", 0, 9))
    torch.testing.assert_close(model(input_ids=ids, turn_ids=TURNS, media=unseen).logits, without)


def test_concatenation_is_the_formula(build):
    """H = M1 + tanh(g) Concat(M1, CrossAttention(M1, M_k), ...) W_f, written out once more by hand."""
    from ruxi.model.fusion import FusionContext

    model = build(gate=0.5, guidance=None)
    streams = model.encode_media(media(("image", 0, 0), ("speech", 0, 0)), batch=1)
    hidden = torch.randn(1, 4, 32)
    context = FusionContext.of(streams, torch.zeros(1, 4).long(), torch.zeros(1, 4).long())
    layer, block = next(iter(model.fusion.blocks.items()))
    normed = hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + torch.finfo(torch.float32).eps)
    queries = model.fusion.query(normed).view(1, 4, 2, 8).transpose(1, 2)
    pieces = [hidden]
    for name in ("image", "speech"):
        keys, values = streams[name].keys[0], streams[name].values[0]
        attention = (queries @ keys.transpose(-1, -2) / 8**0.5).softmax(-1)
        pieces.append((attention @ values).transpose(1, 2).reshape(1, 4, 16))
    expected = hidden + torch.tanh(torch.tensor(0.5)) * (torch.cat(pieces, -1) @ block.mix.weight.T)
    torch.testing.assert_close(model.fusion(hidden, context, int(layer)), expected)


@pytest.mark.parametrize("share", [True, False])
def test_weights_of_a_stream_touch_only_text_that_sees_it(build, share):
    fusion = {"every": 2, "heads": 2, "head_width": 8, "share_projections": share}
    model, ids = build(gate=0.7, fusion=fusion), tokens(1, 12)

    def logits(*places):
        return model(input_ids=ids, turn_ids=TURNS, media=media(*places)).logits

    heard, seen = logits(("speech", 0, 2)), logits(("image", 0, 0))
    weights = dict(model.fusion.named_parameters())
    parts = {name: dict(model.fusion.weights_of(name)) for name in ("text", "image", "speech", "guidance")}
    for name, weight in weights.items():
        owners = torch.zeros(weight.shape[-1])
        for part in parts.values():
            if name in part:
                owners[part[name]] += 1
        assert owners.eq(1).all()
    with torch.no_grad():
        for name, columns in parts["image"].items():
            weights[name][:, columns] += 0.3
    assert torch.equal(logits(("speech", 0, 2)), heard)
    assert (logits(("image", 0, 0)) - seen).abs().max() > 1e-3


def test_attention_weights_are_returned_on_request(build):
    model, ids = build(gate=0.7), tokens(1, 12)
    output = model(input_ids=ids, turn_ids=TURNS, media=media(("image", 0, 2)), output_attentions=True)
    assert set(output.fusion_attentions) == {1, 3}
    weights = output.fusion_attentions[3]["image"]
    assert weights.shape == (1, 2, 12, 5)
    torch.testing.assert_close(weights[0, :, TURNS[0] >= 2].sum(-1), torch.ones(2, 5))
    assert weights[0, :, TURNS[0] < 2].sum() == 0


def test_packed_dialogues_do_not_see_one_another(build):
    """Two dialogues in one row, with media of their own, give what they give alone."""
    for kind in ("cross_attention", "prefix"):
        model = build(gate=0.7, fusion={"kind": kind, "every": 2, "heads": 2, "head_width": 8})
        first, second = tokens(1, 6, seed=1), tokens(1, 5, seed=2)
        turns = [torch.tensor([[-1, 0, 0, 1, 1, 1]]), torch.tensor([[-1, 0, 0, 1, 1]])]
        one, two = media(("image", 0, 0), seed=21), media(("image", 0, 0), seed=22)
        alone = [
            model(input_ids=i, turn_ids=t, media=m).logits
            for i, t, m in zip((first, second), turns, (one, two), strict=True)
        ]
        both = {
            "image": type(one["image"])(
                torch.cat([one["image"].values, two["image"].values]),
                torch.cat([one["image"].mask, two["image"].mask]),
                torch.tensor([0, 0]),
                torch.tensor([0, 0]),
                torch.tensor([0, 1]),
            )
        }
        packed = model(
            input_ids=torch.cat([first, second], 1),
            turn_ids=torch.cat(turns, 1),
            segment_ids=torch.tensor([[0] * 6 + [1] * 5]),
            media=both,
        ).logits
        torch.testing.assert_close(packed, torch.cat(alone, 1), atol=1e-5, rtol=1e-4)


def test_gradients_reach_the_gates_first(build):
    """At g = 0 the gate alone learns; once it is open, everything behind it does."""
    for gate, reached in ((0.0, False), (0.3, True)):
        model = build(gate=gate, guidance=None).train()
        ids = tokens(1, 12)
        model(input_ids=ids, turn_ids=TURNS, media=media(("image", 0, 0)), labels=ids).loss.backward()
        block = model.fusion.blocks["3"]
        assert block.gate.grad.abs() > 0
        assert bool(model.resamplers["image"].latents.grad.abs().sum() > 0) is reached
