"""The decoder graph gives what torch gives, whatever is read in whatever portions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ruxi.model import GuidanceInputs
from tests.compress.conftest import FAMILIES, Decoder, fused_inputs
from tests.model.conftest import media, tokens

TURNS = torch.tensor([-1, -1, 0, 0, 0, 1, 1, 2, 2, 3, 3, 3])
PLACES = (("image", 0, 0), ("image", 1, 0), ("image", 1, 2), ("speech", 1, 2))


def guided_streams(model, ids, turns):
    """Media of two dialogues, and guidance for the last turn of each."""
    settings, rows = model.config.guidance_settings, torch.tensor([0, 1])
    guidance = GuidanceInputs(
        persona=model.persona_embedding(ids, turns, rows),
        user_emotion=torch.softmax(torch.randn(2, len(settings.emotions)), -1),
        user_intent=torch.softmax(torch.randn(2, len(settings.intents)), -1),
        reply_emotion=torch.nn.functional.one_hot(torch.tensor([3, 5]), len(settings.emotions)).float(),
        row=rows,
        turn=torch.tensor([3, 3]),
    )
    return model.encode_media(media(*PLACES, lengths=(6, 4, 6, 8)), guidance, batch=2)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_logits_of_fused_dialogues_are_those_of_torch(exported, family):
    model, bundle = exported(family)
    ids, turns = tokens(2, 12), TURNS.expand(2, -1)
    with torch.no_grad():
        streams = guided_streams(model, ids, turns)
        expected = model(input_ids=ids, turn_ids=turns, streams=streams)
    logits, states = Decoder(bundle, 2).read(ids.numpy(), **fused_inputs(bundle, streams, turns))
    assert np.abs(logits - expected.logits.numpy()).max() < 1e-3
    assert np.abs(states - expected.last_hidden_state.numpy()).max() < 1e-3
    with torch.no_grad():
        plain = model(input_ids=ids).logits.numpy()
    assert np.abs(logits - plain).max() > 0.1, "the media changed nothing"


@pytest.mark.parametrize("family", FAMILIES)
def test_without_media_it_is_the_base_model(exported, family):
    model, bundle = exported(family)
    ids = tokens(2, 12)
    with torch.no_grad():
        expected = model(input_ids=ids).logits.numpy()
    nothing = fused_inputs(bundle, {}, TURNS.expand(2, -1))
    assert np.abs(Decoder(bundle, 2).read(ids.numpy(), **nothing)[0] - expected).max() < 1e-3


def test_what_no_token_may_see_changes_no_bit(exported):
    model, bundle = exported()
    ids, turns = tokens(2, 12), TURNS.expand(2, -1)
    with torch.no_grad():
        inputs = fused_inputs(bundle, guided_streams(model, ids, turns), turns)
    before = turns[0] < 0
    seen, _ = Decoder(bundle, 2).read(ids.numpy(), **inputs)
    blind, _ = Decoder(bundle, 2).read(ids.numpy(), **fused_inputs(bundle, {}, turns))
    assert np.array_equal(seen[:, before], blind[:, before])
    assert not np.array_equal(seen[:, ~before], blind[:, ~before])


def test_rows_of_different_lengths_read_in_portions(exported):
    """One row reads its dialogue in three portions, the other begins later, rests once, and reads one token at last."""
    model, bundle = exported()
    ids, turns = tokens(2, 12), TURNS.expand(2, -1)
    with torch.no_grad():
        streams = guided_streams(model, ids, turns)
        expected = model(input_ids=ids, turn_ids=turns, streams=streams).logits.numpy()
    decoder = Decoder(bundle, 2)
    whole = fused_inputs(bundle, streams, turns)
    for spans in ([(0, 5), (0, 0)], [(5, 8), (0, 7)], [(8, 9), (7, 7)], [(9, 12), (7, 8)]):
        longest = max(end - start for start, end in spans)
        part = np.zeros((2, longest), dtype=np.int64)
        visible = np.zeros((2, longest, *whole["visible"].shape[2:]), dtype=bool)
        for row, (start, end) in enumerate(spans):
            part[row, : end - start] = ids[row, start:end]
            visible[row, : end - start] = whole["visible"][row, start:end]
        if min(decoder.lengths.max(), spans[1][1]) == 0:
            # A row that has read nothing yet cannot rest: it reads one token that is read over later.
            logits, _ = decoder.read(part, [5, 1], **{**whole, "visible": visible})
            decoder.lengths[1] = 0
        else:
            logits, _ = decoder.read(part, [end - start for start, end in spans], **{**whole, "visible": visible})
        for row, (start, end) in enumerate(spans):
            assert np.abs(logits[row, : end - start] - expected[row, start:end]).max(initial=0) < 1e-3


def test_only_the_wanted_positions_are_computed(exported):
    _, bundle = exported()
    ids, nothing = tokens(2, 12).numpy(), fused_inputs(bundle, {}, TURNS.expand(2, -1))
    everywhere, _ = Decoder(bundle, 2).read(ids, **nothing)
    keep = np.array([[11, 3], [0, 7]])
    some, states = Decoder(bundle, 2).read(ids, keep=keep, **nothing)
    assert some.shape[1] == states.shape[1] == 2
    np.testing.assert_allclose(some, np.take_along_axis(everywhere, keep[..., None], 1), atol=1e-5)


def test_projections_of_each_block_and_closed_gates(exported):
    """Blocks with projections of their own, of which one is closed and left out."""
    settings = {"fusion": {"every": 2, "heads": 2, "head_width": 8, "share_projections": False}, "guidance": None}
    model, bundle = exported("qwen3", **settings)
    ids, turns = tokens(2, 12), TURNS.expand(2, -1)
    with torch.no_grad():
        streams = model.encode_media(media(*PLACES, lengths=(6, 4, 6, 8)), batch=2)
        expected = model(input_ids=ids, turn_ids=turns, streams=streams).logits.numpy()
    assert bundle.config.fusion.sets == 2
    logits, _ = Decoder(bundle, 2).read(ids.numpy(), **fused_inputs(bundle, streams, turns))
    assert np.abs(logits - expected).max() < 1e-3


def test_prefix_fusion_takes_media_in_place_of_tokens(exported):
    model, bundle = exported(fusion={"kind": "prefix", "heads": 2, "head_width": 8}, guidance=None)
    ids, turns = tokens(1, 12), TURNS[None]
    with torch.no_grad():
        streams = model.encode_media(media(("image", 0, 0), ("speech", 0, 2)), batch=1)
        expected = model(input_ids=ids, turn_ids=turns, streams=streams).logits.numpy()
        zeros = torch.zeros_like(ids)
        placed = model.place_media(model.get_input_embeddings()(ids), None, turns, zeros, streams)
    length = placed.embeddings.shape[1]
    where = placed.text_positions.numpy()
    full = np.zeros((1, length), dtype=np.int64)
    np.put_along_axis(full, where, ids.numpy(), 1)
    is_media = np.ones((1, length), dtype=bool)
    np.put_along_axis(is_media, where, False, 1)
    logits, _ = Decoder(bundle, 1).read(full, media_states=placed.embeddings.numpy(), is_media=is_media, keep=where)
    assert np.abs(logits - expected).max() < 1e-3
