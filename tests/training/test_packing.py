"""Packing loses nothing, cuts nothing, and gives every row the loss that its dialogues have alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from ruxi.features import FeatureSequence
from ruxi.training.examples import Example, Medium, TurnLabels
from ruxi.training.learner import Learner
from ruxi.training.objectives import Emotion, Reply
from ruxi.training.objectives.contrastive import info_nce
from ruxi.training.packing import Collator, epoch_order, pack
from tests.model.conftest import build  # noqa: F401 (a fixture)


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(50, 120))
def test_every_example_lands_in_one_row_that_holds_it(lengths, capacity):
    rows = pack(lengths, range(len(lengths)), capacity)
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in row) <= capacity for row in rows)


def test_sources_are_seen_by_their_weights_in_an_order_that_the_seed_decides():
    orders = [epoch_order([100, 10], [0.5, 3.0], epoch, seed=1) for epoch in range(2)]
    for order in orders:
        assert sum(i < 100 for i in order) == 50
        assert sorted(i for i in order if i >= 100) == sorted(list(range(100, 110)) * 3)
    assert orders[0] != orders[1]
    assert orders == [epoch_order([100, 10], [0.5, 3.0], epoch, seed=1) for epoch in range(2)]


def example(number: int, *, picture: bool) -> Example:
    rng = np.random.default_rng(number)
    length = 8 + number
    turns = np.array([-1, -1, 0, 0, *[1] * (length - 4)])
    return Example(
        id=str(number),
        group=str(number),
        input_ids=rng.integers(3, 97, length, dtype=np.int32),
        turn_ids=turns.astype(np.int32),
        targets=turns == 1,
        media=(Medium("image", f"{number}", 0),) if picture else (),
        turns=(TurnLabels(0, 3, number % 28, -100, False), TurnLabels(1, length - 1, -100, -100, True)),
    )


def features(medium: Medium) -> FeatureSequence:
    values = np.random.default_rng(int(medium.media)).normal(size=(6, 12)).astype(np.float16)
    return FeatureSequence(values, np.zeros((6, 2), dtype=np.float32))


@pytest.mark.parametrize("kind", ["cross_attention", "prefix"])
def test_a_packed_row_with_pictures_has_the_losses_of_its_dialogues(build, kind):  # noqa: F811
    model = build(gate=0.6, fusion={"kind": kind, "every": 2, "heads": 2, "head_width": 8})
    learner = Learner(model, [(Reply(), 1.0), (Emotion(), 1.0)]).eval()
    examples = [example(n, picture=n != 1) for n in range(3)]
    collate = Collator(examples, features, streams=model.config.streams, pad=0)
    alone = [learner(collate.collate([(n,)])) for n in range(3)]
    for rows in ([(0, 1, 2)], [(0, 2), (1,)]):
        packed = learner(collate.collate(rows))
        for name in ("reply", "emotion"):
            assert packed[name].count == sum(losses[name].count for losses in alone)
            total = sum(losses[name].total for losses in alone)
            torch.testing.assert_close(packed[name].total, total, atol=1e-3, rtol=1e-4)


def test_the_frozen_heads_loss_and_gradient_are_those_of_pytorch(build):  # noqa: F811
    model = build(gate=0.6)
    learner = Learner(model, [(Reply(), 1.0)])
    collate = Collator([example(2, picture=True)], features, streams=model.config.streams, pad=0)
    batch = collate.collate([(0,)])
    ours = learner(batch)["reply"]
    ours.total.backward()
    gradient = model.fusion.blocks["3"].gate.grad.clone()
    model.zero_grad()
    run = learner.run(batch)
    logits = model.logits(run.hidden)[:, :-1].flatten(0, 1)
    reference = F.cross_entropy(logits, batch.labels[:, 1:].flatten(), ignore_index=-100, reduction="sum")
    reference.backward()
    torch.testing.assert_close(ours.total, reference)
    torch.testing.assert_close(gradient, model.fusion.blocks["3"].gate.grad)


def test_hidden_media_depend_on_the_seed_and_the_batch_alone(build):  # noqa: F811
    examples = [example(n, picture=True) for n in range(40)]
    options = {"streams": ("image",), "pad": 0, "modality_dropout": 0.5}
    first, again = (Collator(examples, features, seed=3, **options) for _ in range(2))
    row = tuple(range(40))
    shown = first.collate([row], number=7).media["image"].segment
    assert 8 < len(shown) < 32
    assert torch.equal(shown, again.collate([row], number=7).media["image"].segment)
    assert not torch.equal(shown, again.collate([row], number=8).media["image"].segment)


def test_sentences_that_say_the_same_are_not_held_against_one_another():
    logits = torch.tensor([[9.0, 9.0, 0.0], [9.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    same = info_nce(logits, ["a dog", "a dog", "a cat"])
    other = info_nce(logits, ["a dog", "a hound", "a cat"])
    assert same.correct == 3
    assert same.total < 0.1 < other.total
