"""Scores that share their work against scores that do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from ruxi.dialogues import Dialogue, Turn
from ruxi.errors import EngineError
from ruxi.prompt import Prompt
from ruxi.runtime import Perceptive, Sampling
from ruxi.runtime.torch_engine import TorchEngine
from tests.runtime.test_torch_engine import IMAGE, MEDIA, SOUND, ask, engine, passes, seeing  # noqa: F401 (a fixture)

ANSWERS = ["I see a storm.", "Aye!", "The wind is turning, and the sky over the harbour grows dark.", "A cat."]


def candidates(one: TorchEngine, answers: list[str], opening: str = "What do you see?") -> list[Prompt]:
    prompts = []
    for answer in answers:
        talk = seeing()
        talk.turns[0] = Turn.of_text("User", opening)
        talk.turns.append(Turn.of_text("Mira", answer))
        prompts.append(ask(one, talk, reply=False, targets="last"))
    return prompts


@pytest.mark.parametrize(
    "settings",
    [
        {"gate": 0.0},
        {"gate": 0.7},
        {"gate": 0.7, "guidance": {}},
        {"fusion": {"kind": "prefix"}},
    ],
    ids=["text", "cross-attention", "guidance", "prefix"],
)
def test_candidates_scored_together_have_the_scores_that_they_have_alone(
    engine: Callable[..., TorchEngine],  # noqa: F811
    settings: dict[str, object],
) -> None:
    one = engine(**settings)
    prompts = candidates(one, ANSWERS)
    together = one.log_likelihood(prompts, MEDIA)
    for prompt, found in zip(prompts, together, strict=True):
        alone = one.log_likelihood([prompt], MEDIA)[0]
        assert len(alone) == sum(prompt.loss_mask)
        np.testing.assert_allclose(found, alone, atol=1e-4)


def test_the_shared_context_is_read_once(engine: Callable[..., TorchEngine]) -> None:  # noqa: F811
    one = engine()
    prompts = candidates(one, ANSWERS)
    context = prompts[0].loss_mask.index(True)
    lengths = passes(one)
    one.log_likelihood(prompts, {})
    assert lengths[0] == context
    assert sum(lengths[1:]) < context


def test_other_words_or_another_picture_are_never_taken_from_the_cache(
    engine: Callable[..., TorchEngine],  # noqa: F811
) -> None:
    one = engine(gate=0.7)
    other = candidates(one, ANSWERS[:2], "Is it you?")
    shuffled = [
        replace(prompt, slots=tuple(replace(slot, media=slot.media[::-1] + "c") for slot in prompt.slots))
        for prompt in other
    ]
    groups = [candidates(one, ANSWERS[:2]), other, shuffled]
    together = one.log_likelihood([prompt for group in groups for prompt in group], MEDIA)
    apart = [scores for group in groups for scores in one.log_likelihood(group, MEDIA)]
    for found, expected in zip(together, apart, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(together[2] - together[4]).max() > 1e-3


def test_the_same_prompts_give_the_same_numbers_to_the_bit(engine: Callable[..., TorchEngine]) -> None:  # noqa: F811
    one = engine(gate=0.7)
    prompts = [*candidates(one, ANSWERS), *candidates(one, ANSWERS, "Is it you?")]
    first, second = (one.log_likelihood(prompts, MEDIA) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_marked_first_token_is_refused(engine: Callable[..., TorchEngine]) -> None:  # noqa: F811
    with pytest.raises(EngineError, match="first token"):
        engine().log_likelihood([Prompt((5, 6), (0, 0), (True, True))], {})


def test_scores_are_finite_log_probabilities(engine: Callable[..., TorchEngine]) -> None:  # noqa: F811
    found = engine().log_likelihood(candidates(engine(), ANSWERS), {})
    assert all(torch.isfinite(torch.from_numpy(scores)).all() and (scores < 0).all() for scores in found)


def test_perception_is_what_a_reply_reports_and_does_not_depend_on_what_was_read_before(
    engine: Callable[..., TorchEngine],  # noqa: F811
) -> None:
    one = engine(gate=1.0, guidance={})
    assert isinstance(one, Perceptive)
    prompts = [ask(one, seeing()), ask(one, Dialogue(id="d", turns=seeing().turns[:3])), ask(one, seeing())]
    first, second, third = one.perceive(prompts, MEDIA)
    assert set(first) == {"emotion", "intent"}
    assert sum(first["emotion"].values()) == pytest.approx(1, abs=1e-5)
    last = list(one.generate(prompts[0], MEDIA, Sampling(temperature=0, max_tokens=2)))[-1]
    assert max(first["emotion"], key=first["emotion"].__getitem__) == last.user_emotion
    assert max(first["intent"], key=first["intent"].__getitem__) == last.user_intent
    assert first["emotion"] == pytest.approx(third["emotion"], abs=1e-5)
    assert first["emotion"] != pytest.approx(second["emotion"], abs=1e-5)
    assert engine().perceive(prompts, MEDIA) == [{}, {}, {}]


@pytest.mark.weights
def test_sentences_are_compared_with_media_in_the_shared_space(
    engine: Callable[..., TorchEngine],  # noqa: F811
) -> None:
    media = [("image", MEDIA[IMAGE]), ("audio", MEDIA[SOUND])]
    assert engine().similarity(media, ["a storm"]) is None
    found = engine(alignment={}).similarity(media, ["a storm", "a cat", "a storm"])
    assert found is not None
    assert found.shape == (2, 3)
    assert (np.abs(found) <= 1 + 1e-5).all()
    np.testing.assert_allclose(found[:, 0], found[:, 2], atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-3


@pytest.mark.parametrize("settings", [{"gate": 0.7}, {"gate": 0.7, "guidance": {}}], ids=["plain", "guidance"])
def test_pooled_states_are_the_same_alone_and_together(
    engine: Callable[..., TorchEngine],  # noqa: F811
    settings: dict[str, object],
) -> None:
    one = engine(**settings)
    prompts = candidates(one, ANSWERS)
    for prompt, found in zip(prompts, one.read_replies(prompts, MEDIA), strict=True):
        (alone,) = one.read_replies([prompt], MEDIA)
        np.testing.assert_allclose(found.state, alone.state, atol=1e-4)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-4)
    unmarked = replace(prompts[0], loss_mask=(False,) * len(prompts[0].loss_mask))
    (nothing,) = one.read_replies([unmarked], MEDIA)
    assert (len(nothing.scores), nothing.state.any()) == (0, False)
