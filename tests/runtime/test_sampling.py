"""How the next token is drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruxi.errors import EngineError, UsageError
from ruxi.prompt import Prompt
from ruxi.runtime import Sampling
from ruxi.runtime.sampling import Sampler

EMPTY = Prompt(input_ids=(), turn_ids=(), loss_mask=())
PLAIN = {"top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "no_repeat_ngram": 0}


def logits_of(*probabilities: float) -> np.ndarray:
    return np.log(np.array(probabilities, dtype=np.float32))


def draws(count: int, logits: np.ndarray, **settings: object) -> Counter[int]:
    sampler = Sampler(Sampling(**{**PLAIN, "seed": 1, **settings}), EMPTY)
    return Counter(sampler.choose(logits) for _ in range(count))


def test_the_same_seed_gives_the_same_tokens_and_another_seed_others() -> None:
    logits = np.random.default_rng(0).normal(size=500).astype(np.float32)

    def tokens(seed: int) -> list[int]:
        sampler = Sampler(Sampling(seed=seed), EMPTY)
        return [sampler.choose(logits) for _ in range(20)]

    assert tokens(3) == tokens(3)
    assert tokens(3) != tokens(4)


def test_tokens_come_as_often_as_their_probability_says() -> None:
    counts = draws(4000, logits_of(0.5, 0.3, 0.2), temperature=1.0)
    assert [counts[i] / 4000 for i in range(3)] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_temperature_zero_takes_the_likeliest_and_heat_flattens() -> None:
    assert draws(50, logits_of(0.2, 0.5, 0.3), temperature=0.0) == Counter({1: 50})
    hot = draws(2000, logits_of(0.1, 0.8, 0.1), temperature=3.0)
    cold = draws(2000, logits_of(0.1, 0.8, 0.1), temperature=0.5)
    assert hot[1] < 1300 < 1900 < cold[1]


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"top_k": 2}, {0, 1}),
        ({"top_p": 0.69}, {0, 1}),
        ({"top_p": 0.71}, {0, 1, 2}),
        ({"min_p": 0.4}, {0, 1, 2}),
        ({"min_p": 0.6}, {0, 1}),
        # top-p counts shares of what top-k left: 0.4 / 0.7 alone is more than half.
        ({"top_k": 2, "top_p": 0.5}, {0}),
    ],
)
def test_the_cuts_keep_the_likeliest_tokens(settings: dict[str, float], kept: set[int]) -> None:
    assert set(draws(1000, logits_of(0.4, 0.3, 0.2, 0.1), temperature=1.0, **settings)) == kept


def test_penalties_spare_the_end_of_turn_token() -> None:
    prompt = Prompt(input_ids=(0, 1, 2, 2), turn_ids=(0,) * 4, loss_mask=(True,) * 4)
    sampler = Sampler(Sampling(temperature=0, repetition_penalty=2.0), prompt, exempt={2})
    assert sampler.choose(np.array([3.0, -1.0, 2.0, 1.8], dtype=np.float32)) == 2
    # Without the exemption token 2 counts as seen and token 3 wins.
    sampler = Sampler(Sampling(temperature=0, repetition_penalty=2.0), prompt)
    assert sampler.choose(np.array([3.0, -1.0, 2.0, 1.8], dtype=np.float32)) == 3


def test_what_the_user_said_can_be_named_without_a_penalty() -> None:
    prompt = Prompt(input_ids=(0, 1), turn_ids=(0, 1), loss_mask=(False, True))
    sampler = Sampler(Sampling(temperature=0, repetition_penalty=2.0), prompt)
    assert sampler.choose(np.array([2.0, 3.0, 1.8], dtype=np.float32)) == 0


def test_presence_and_frequency_penalties_grow_with_the_reply() -> None:
    logits = np.array([1.0, 0.9, 0.3], dtype=np.float32)
    sampler = Sampler(Sampling(**{**PLAIN, "temperature": 0, "frequency_penalty": 0.4}), EMPTY)
    assert [sampler.choose(logits) for _ in range(4)] == [0, 1, 0, 1]
    sampler = Sampler(Sampling(**{**PLAIN, "temperature": 0, "presence_penalty": 0.8}), EMPTY)
    assert [sampler.choose(logits) for _ in range(4)] == [0, 1, 2, 0]


def test_logit_bias_bans_and_demands_tokens_and_ignores_ids_outside_the_vocabulary() -> None:
    counts = draws(50, logits_of(0.6, 0.3, 0.1), logit_bias={0: -100.0, 2: 100.0, 99: 5.0})
    assert counts == Counter({2: 50})


def test_no_run_of_tokens_stands_twice_in_a_reply() -> None:
    loop = np.full((6, 6), -5.0, dtype=np.float32)
    for token in range(6):
        loop[token, (token + 1) % 3] = 5.0  # the model's own wish: 0 1 2 0 1 2 0 1 2 …
    sampler = Sampler(Sampling(temperature=0, repetition_penalty=1.0, no_repeat_ngram=3), EMPTY)
    reply = [0]
    for _ in range(40):
        reply.append(sampler.choose(loop[reply[-1]]))
    runs = [tuple(reply[i : i + 3]) for i in range(1, len(reply) - 2)]
    assert len(runs) == len(set(runs))


def test_long_runs_are_not_copied_from_earlier_turns_of_the_character() -> None:
    earlier = (1, 2, 3, 4, 5, 6, 7)
    prompt = Prompt(input_ids=(0, *earlier), turn_ids=(0,) * 8, loss_mask=(False, *(True,) * 7))
    sampler = Sampler(Sampling(temperature=0, repetition_penalty=1.0, no_repeat_ngram=2), prompt)
    copied = [int(sampler.choose(np.eye(9, dtype=np.float32)[token])) for token in earlier]
    assert copied[:3] == [1, 2, 3]
    assert copied[3] != 4


def test_broken_logits_are_an_error_not_a_random_word() -> None:
    with pytest.raises(EngineError, match="not a number"):
        Sampler(Sampling(), EMPTY).choose(np.array([np.nan, 1.0], dtype=np.float32))


def test_settings_out_of_range_are_listed_together() -> None:
    with pytest.raises(UsageError, match=r"temperature is -1, top_p is 0.*temperature: 0 or more"):
        Sampling(temperature=-1, top_p=0)


@given(
    st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=60),
    st.floats(0, 3), st.floats(0.01, 1), st.integers(0, 70), st.floats(0, 0.99),
)  # fmt: skip
def test_whatever_the_settings_the_token_is_in_the_vocabulary_and_the_likeliest_is_never_cut(
    logits: list[float], temperature: float, top_p: float, top_k: int, min_p: float
) -> None:
    scores = np.array(logits, dtype=np.float32)
    sampling = Sampling(**{**PLAIN, "temperature": temperature, "top_p": top_p, "top_k": top_k, "min_p": min_p})
    assert 0 <= Sampler(sampling, EMPTY).choose(scores) < len(scores)
    only_best = Sampling(**{**PLAIN, "temperature": max(temperature, 0.01), "top_k": 1})
    assert np.isclose(scores[Sampler(only_best, EMPTY).choose(scores)], scores.max())
