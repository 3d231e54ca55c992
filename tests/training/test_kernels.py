"""The faster passes compute what transformers, PEFT and PyTorch compute, on the way there and on the way back."""

from __future__ import annotations

import pytest
import torch

from ruxi.model.masks import packed_mask, packed_positions
from ruxi.model.packed_attention import PACKED_ATTENTION, Span, packed_attention, spans_of
from ruxi.training.kernels import speed_up
from tests.model.conftest import build  # noqa: F401 (a fixture)


def randomised(model):
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if ".lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.05
        else:
            parameter.requires_grad_(False)
    return model


def losses_and_gradients(model):
    tokens = torch.randint(3, 97, (2, 300), generator=torch.Generator().manual_seed(1))
    segments = torch.tensor([[0] * 140 + [1] * 160, [0] * 30 + [1] * 200 + [2] * 70])
    mask = torch.ones_like(tokens)
    mask[1, 270:] = 0
    hidden = model.decode(tokens, attention_mask=mask, segment_ids=segments)["last_hidden_state"]
    (hidden * mask[..., None]).square().sum().backward()
    return hidden[mask.bool()].detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma2"])
def test_packed_rows_have_the_states_and_gradients_of_the_plain_model(build, family):  # noqa: F811
    lora = {"rank": 4, "dropout": 0.0}
    states, gradients = losses_and_gradients(randomised(build(family, lora=lora)))
    fast = randomised(build(family, lora=lora))
    if family != "gemma2":  # its soft-capping needs attention of its own
        fast.language_model.set_attn_implementation("sdpa")
    speed_up(fast.language_model)
    assert (fast.language_model.config._attn_implementation == PACKED_ATTENTION) == (family != "gemma2")
    fast_states, fast_gradients = losses_and_gradients(fast)
    torch.testing.assert_close(fast_states, states, atol=1e-4, rtol=1e-4)
    assert fast_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(fast_gradients[name], gradient, atol=1e-4 * scale + 1e-6, rtol=1e-3, msg=name)


def test_dropout_hides_its_share_of_the_inputs_of_lora_and_nothing_when_not_training(build):  # noqa: F811
    model = randomised(build(lora={"rank": 4, "dropout": 0.25}))
    speed_up(model.language_model)
    layer = model.language_model.model.layers[0].self_attn.q_proj
    states = torch.ones(64, 32)
    plain = layer.base_layer(states)
    layer.lora_A["default"].weight.data.fill_(1.0)
    layer.lora_B["default"].weight.data.fill_(1.0)
    unhurt = (layer.eval()(states) - plain)[:, 0]
    torch.testing.assert_close(unhurt, torch.full((64,), 4 * 32.0 * layer.scaling["default"]))
    torch.manual_seed(5)
    share = (layer.train()(states) - plain)[:, 0].detach() / unhurt.detach()
    assert float(share.std()) > 0.02
    assert float(share.mean()) == pytest.approx(1.0, abs=0.06)
    torch.manual_seed(5)
    again = layer(states.clone())
    torch.testing.assert_close((again - plain)[:, 0].detach() / unhurt.detach(), share)


def test_projections_of_one_input_share_their_dropout_and_layers_do_not(build):  # noqa: F811
    model = randomised(build(lora={"rank": 4, "dropout": 0.5}))
    speed_up(model.language_model)
    attention = model.language_model.model.layers[0].self_attn.train()
    states = torch.ones(8, 32)
    drawn = attention.q_proj.ruxi_masks.of(states, 0.5)
    assert attention.k_proj.ruxi_masks.of(states, 0.5) is drawn
    assert not torch.equal(attention.k_proj.ruxi_masks.of(states.clone(), 0.5), drawn)


def test_padding_within_a_dialogue_is_left_to_the_usual_attention():
    segments = torch.tensor([[0, 0, 0, 1, 1, 2]])
    assert spans_of(segments, torch.tensor([[1, 1, 1, 1, 1, 0]])) == [Span(0, 0, 3), Span(0, 3, 5)]
    assert spans_of(segments, torch.tensor([[1, 0, 1, 1, 1, 1]])) is None


def test_branches_hang_on_the_trunk_of_their_dialogue():
    segments = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 2]])
    branches = torch.tensor([[0, 0, 1, 2, 0, 1, 1, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1, 0]])
    found = spans_of(segments, mask, branches)
    assert found == [
        Span(0, 0, 2),
        Span(0, 2, 3, (0, 2)),
        Span(0, 3, 4, (0, 2)),
        Span(0, 4, 5),
        Span(0, 5, 7, (4, 5)),
    ]
    assert packed_positions(segments, mask, branches)[0, :7].tolist() == [0, 1, 2, 2, 0, 1, 2]


def test_branches_give_what_each_reply_gives_alone_behind_the_trunk(build):  # noqa: F811
    model = randomised(build(lora={"rank": 4})).eval()
    speed_up(model.language_model)
    ids = torch.randint(0, 60, (1, 9), generator=torch.Generator().manual_seed(3))
    branches = torch.tensor([[0, 0, 0, 0, 1, 1, 2, 2, 2]])
    segments = torch.zeros_like(ids)
    usual = packed_mask(segments, None, branches)[0, 0]
    assert not usual[6:, 4:6].any()
    assert usual[6:, :4].all()
    together = model.decode(ids, segment_ids=segments, branch_ids=branches)["last_hidden_state"]
    for own in (slice(4, 6), slice(6, 9)):
        apart = torch.cat([ids[:, :4], ids[:, own]], dim=1)
        expected = model.decode(apart, segment_ids=torch.zeros_like(apart))["last_hidden_state"]
        torch.testing.assert_close(together[:, own], expected[:, 4:], atol=1e-5, rtol=1e-4)


def test_gradients_of_packed_attention_are_right_to_second_differences():
    generator = torch.Generator().manual_seed(2)
    query = torch.randn(1, 4, 7, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    key, value = (
        torch.randn(1, 2, 7, 3, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(2)
    )
    module = torch.nn.Module()
    spans = [Span(0, 0, 3), Span(0, 3, 5, (0, 3)), Span(0, 5, 7, (0, 3))]
    torch.autograd.gradcheck(
        lambda *given: packed_attention(module, *given, None, packed_spans=spans)[0], (query, key, value), atol=1e-4
    )
