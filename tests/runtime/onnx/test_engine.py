"""The fast engine says what the reference engine says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ruxi.dialogues import Turn
from ruxi.errors import EngineError, ModelError, UsageError
from ruxi.prompt import Prompt
from ruxi.runtime import Engine, Perceptive, Sampling
from ruxi.runtime.onnx.engine import OnnxEngine
from tests.runtime.onnx.conftest import MEDIA, OTHER, Pair, ask, tokens_of
from tests.runtime.talk import GREEDY, IMAGE, dialogue, features, seeing

KINDS: dict[str, dict[str, object]] = {
    "text": {"gate": 0.0},
    "fused": {},
    "own projections": {"fusion": {"share_projections": False}},
    "guided": {"guidance": {}},
    "guided without fusion": {"gate": 0.0, "guidance": {}},
    "prefix": {"fusion": {"kind": "prefix"}},
    "guided prefix": {"fusion": {"kind": "prefix"}, "guidance": {}},
}

Opened = Callable[..., OnnxEngine]
Pairs = Callable[..., Pair]


@pytest.mark.parametrize("kind", KINDS)
def test_it_speaks_and_perceives_as_the_reference_does(pairs: Pairs, opened: Opened, kind: str) -> None:
    pair = pairs(**KINDS[kind])
    fast = opened(pair)
    assert isinstance(fast, Engine)
    assert isinstance(fast, Perceptive)
    assert fast.extractor_names() == {"image": "eyes", "audio": "ears"}
    for talk, emotion in ((seeing(), "joy"), (dialogue(("User", "What do you see?")), None)):
        prompt = ask(fast, talk, emotion=emotion)
        expected = list(pair.torch.generate(prompt, MEDIA, GREEDY))
        for _ in range(2):  # from nothing, then from what is kept
            assert list(fast.generate(prompt, MEDIA, GREEDY)) == expected
        mine, its = fast.perceive([prompt], MEDIA)[0], pair.torch.perceive([prompt], MEDIA)[0]
        assert mine.keys() == its.keys()
        for head, shares in its.items():
            assert dict(mine[head]) == pytest.approx(dict(shares), abs=1e-4)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "text"])
def test_media_change_what_it_says_or_perceives(pairs: Pairs, opened: Opened, kind: str) -> None:
    fast = opened(pairs(**KINDS[kind]))
    prompt = ask(fast, seeing())
    speaks = tokens_of(fast, prompt, media=MEDIA) != tokens_of(fast, prompt)
    assert speaks or fast.perceive([prompt], MEDIA) != fast.perceive([prompt], {})


@pytest.mark.parametrize("kind", KINDS)
def test_likelihoods_are_those_of_the_reference(pairs: Pairs, opened: Opened, kind: str) -> None:
    pair = pairs(**KINDS[kind])
    fast = opened(pair)
    prompts = [_answered(fast, answer) for answer in ("A cat.", "A ship and a cat.", "Aye")]
    prompts.append(ask(fast, seeing(), reply=False))  # several marked turns
    prompts.append(ask(fast, dialogue(("User", "Hi")), reply=False))  # none
    prompts.append(_answered(fast, "A cat and the wind over the harbour. " * 6))
    found, expected = (engine.log_likelihood(prompts, MEDIA) for engine in (fast, pair.torch))
    for mine, its in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-3)


def _answered(engine: Engine, answer: str) -> Prompt:
    talk = seeing()
    talk.turns.append(Turn.of_text("Mira", answer))
    return ask(engine, talk, reply=False, targets="last")


def test_a_chat_goes_on_from_its_last_turn_and_says_the_same_as_one_read_anew(pairs: Pairs, opened: Opened) -> None:
    pair = pairs()
    kept = opened(pair)
    talk = seeing()
    free = replace(GREEDY, temperature=1e-6)  # not repeatable by request, so that all of the cache is used
    for words in ("Good.", "And the ship?", "Look there!"):
        prompt = ask(kept, talk)
        reply = tokens_of(kept, prompt, free, MEDIA)
        assert reply == tokens_of(pair.torch, prompt, GREEDY, MEDIA)
        talk.turns += [Turn.of_text("Mira", kept.prompts.tokenizer.decode(reply)), Turn.of_text("User", words)]


def test_another_picture_in_an_earlier_turn_is_not_mistaken_for_the_old_one(pairs: Pairs, opened: Opened) -> None:
    for settings in ({}, {"fusion": {"kind": "prefix"}}):
        pair = pairs(**settings)
        fast = opened(pair)
        free = replace(GREEDY, temperature=1e-6)
        for image in (IMAGE, OTHER, IMAGE):
            prompt = ask(fast, seeing(image))
            assert tokens_of(fast, prompt, free, MEDIA) == tokens_of(pair.torch, prompt, GREEDY, MEDIA)


def test_a_seed_repeats_a_reply_whatever_was_read_before(pairs: Pairs, opened: Opened) -> None:
    fast = opened(pairs())
    hot = Sampling(temperature=1.5, max_tokens=30, seed=11)
    prompt = ask(fast, seeing())
    first = tokens_of(fast, prompt, hot, MEDIA)
    for words in ("What do you see? " * 4, "Captain!"):
        tokens_of(fast, ask(fast, dialogue(("User", words))), Sampling(max_tokens=20))
    assert tokens_of(fast, prompt, hot, MEDIA) == first
    assert tokens_of(opened(pairs()), prompt, hot, MEDIA) == first
    assert tokens_of(fast, prompt, replace(hot, seed=12), MEDIA) != first


def test_stop_strings_end_a_reply_and_are_no_part_of_it(pairs: Pairs, opened: Opened) -> None:
    fast = opened(pairs())
    prompt = ask(fast, seeing())
    text = "".join(delta.text for delta in fast.generate(prompt, MEDIA, GREEDY))
    middle = text[len(text) // 2 : len(text) // 2 + 4]
    deltas = list(fast.generate(prompt, MEDIA, replace(GREEDY, stop=(middle,))))
    assert "".join(delta.text for delta in deltas) == text[: text.index(middle)]
    assert [delta.finish_reason for delta in deltas] == [None] * (len(deltas) - 1) + ["stop"]


def test_a_full_context_is_an_error_and_a_nearly_full_one_ends_the_reply(pairs: Pairs, opened: Opened) -> None:
    pair = pairs()
    prompt = ask(pair.torch, seeing())
    tight = opened(pair, context_length=len(prompt.input_ids) + 4)
    deltas = list(tight.generate(prompt, MEDIA, GREEDY))
    assert sum(len(delta.token_ids) for delta in deltas) == 4
    assert deltas[-1].finish_reason == "length"
    full = opened(pair, context_length=len(prompt.input_ids))
    with pytest.raises(EngineError, match="leaves no room"):
        full.generate(prompt, MEDIA, GREEDY)
    with pytest.raises(EngineError, match="does not fit"):
        full.log_likelihood([_answered(pair.torch, "Aye. " * 40)], MEDIA)


def test_the_oldest_turns_go_when_the_context_is_full_and_the_chat_goes_on(pairs: Pairs, opened: Opened) -> None:
    pair = pairs()
    fast = opened(pair, context_length=480)
    talk = dialogue()
    for index in range(8):
        talk.turns.append(Turn.of_text("User", f"What do you see now? It is number {index}. " * 2))
        prompt = ask(fast, talk, reserve=24)
        assert tokens_of(fast, prompt) == tokens_of(pair.torch, prompt)
        talk.turns.append(Turn.of_text("Mira", "A storm, a ship and a cat."))
    assert prompt.first_turn > 0


def test_what_cannot_work_is_said_in_one_line(pairs: Pairs, opened: Opened) -> None:
    fast = opened(pairs())
    with pytest.raises(ModelError, match=r"features are 9 wide, not 12"):
        fast.generate(ask(fast, seeing()), {IMAGE: features(9, 1)}, GREEDY)
    with pytest.raises(UsageError, match="slots: 0 is too few"):
        opened(pairs(), slots=0)
