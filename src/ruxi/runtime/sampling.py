"""The next token of a reply: penalties, then its form, then temperature, then the cuts, then the dice.

NumPy only, so that every engine draws its tokens in the same way. The order of the steps is that of
`transformers` (penalties, temperature, top-k, top-p, min-p). Tokens that end a turn are exempt from all
penalties: they stand in the prompt after every turn, and a penalty on them would make replies ever longer. Nor
are the words of the persona and of the user penalised: what was asked and shown is what a reply should name.

A vocabulary is wide and nearly all of it hopeless: the whole of it is only added up, in single precision, and the few
tokens that can be drawn are weighed and sorted in double precision.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ruxi.errors import EngineError
from ruxi.prompt import Prompt
from ruxi.runtime.constraints import FollowedConstraint
from ruxi.runtime.protocol import Sampling

Logits = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

_LEVELS = (1e-2, 1e-3, 1e-4, 1e-6, 0.0)
"""Tokens are looked at that weigh more than this share of the likeliest one; the next level if those do not do."""

_COLDEST = 1e-30
"""A temperature that single precision can still divide by."""


class Sampler:
    """Chooses the tokens of one reply.

    Args:
        sampling: How to choose.
        prompt: What the reply answers; the tokens that the character has spoken in it count as used.
        exempt: Token ids that no penalty and no repetition guard touches: those that end a turn.
        form: The form that the reply must have, begun by `Constraints.follow`. It knows what has to be repeated, so
            the repetition guard rests.
    """

    def __init__(
        self,
        sampling: Sampling,
        prompt: Prompt,
        *,
        exempt: Collection[int] = (),
        form: FollowedConstraint | None = None,
    ) -> None:
        self._sampling = sampling
        self._form = form
        self._exempt = frozenset(exempt)
        self._random = np.random.default_rng(sampling.seed)
        self._counts: dict[int, int] = {}
        spoken = {token for token, mine in zip(prompt.input_ids, prompt.loss_mask, strict=True) if mine}
        self._seen = _ids(spoken - self._exempt)
        self._known = set(self._seen.tolist())
        # Wide arrays that come and go with every token would cost more than what is computed in them.
        self._scores, self._weights = np.empty((2, 0), np.float32)
        size = sampling.no_repeat_ngram if form is None else 0
        self._guards = [_RepeatGuard(size), _RepeatGuard(2 * size)] if size else []
        for run in _spoken_runs(prompt):
            for guard in self._guards[1:]:
                guard.learn(run)

    def choose(self, logits: Logits) -> int:
        """Draw the next token and remember it.

        Args:
            logits: The model's output for the next token, `[vocabulary]`; not changed.

        Returns:
            The token's id.

        Raises:
            EngineError: The logits are not finite numbers.
        """
        token = self._draw(self._adjusted(logits))
        if token not in self._exempt:
            self._counts[token] = self._counts.get(token, 0) + 1
            if token not in self._known:
                self._known.add(token)
                self._seen = np.append(self._seen, token)
        for guard in self._guards:
            guard.add(token)
        if self._form is not None:
            self._form.add(token)
        return token

    def _adjusted(self, logits: Logits) -> Logits:
        sampling = self._sampling
        if len(self._scores) != len(logits):
            self._scores, self._weights = np.empty((2, len(logits)), np.float32)
        scores = self._scores
        np.copyto(scores, logits)
        if not np.isfinite(scores.max()):
            raise EngineError("the model's output is not a number", remedy="Try dtype='float32'.")
        if sampling.repetition_penalty != 1:
            values = scores[self._seen]
            scores[self._seen] = np.where(
                values > 0, values / sampling.repetition_penalty, values * sampling.repetition_penalty
            )
        if self._counts and (sampling.presence_penalty or sampling.frequency_penalty):
            counts = np.fromiter(self._counts.values(), dtype=np.float32)
            scores[_ids(self._counts)] -= sampling.presence_penalty + sampling.frequency_penalty * counts
        for token, bias in sampling.logit_bias.items():
            if 0 <= token < len(scores):
                scores[token] += bias
        for guard in self._guards:
            scores[_ids(guard.banned() - self._exempt)] = -np.inf
        if self._form is not None:
            self._form.mask(scores)
        return scores

    def _draw(self, scores: Logits) -> int:
        sampling = self._sampling
        if sampling.temperature == 0:
            return int(scores.argmax())
        best, weights = scores.max(), self._weights
        with np.errstate(over="ignore"):  # next to no temperature: everything but the best becomes -inf
            np.subtract(scores, best, out=weights)
            np.divide(weights, np.float32(max(sampling.temperature, _COLDEST)), out=weights)
        np.exp(weights, out=weights)
        whole, dice = float(weights.sum()), self._random.random()
        for level in _LEVELS:
            kept, shares = self._heaviest(scores, best, level)
            complete = level == 0
            if sampling.top_k:
                if len(kept) < sampling.top_k and not complete:
                    continue
                shares, complete = shares[: sampling.top_k], True
                whole = float(shares.sum())
            possible = int(np.searchsorted(-shares, -sampling.min_p, side="right"))
            cumulative = np.cumsum(shares[:possible])
            nucleus = int(np.searchsorted(cumulative, sampling.top_p * whole)) + 1
            if complete or possible < len(shares) or nucleus <= possible:
                cumulative = cumulative[:nucleus]
                whole = cumulative[-1]
            elif sampling.min_p or sampling.top_p < 1:
                continue
            at = int(np.searchsorted(cumulative, dice * whole, side="right"))
            if at < len(cumulative):
                return int(kept[at])
        return int(kept[len(cumulative) - 1])

    def _heaviest(self, scores: Logits, best: float, level: float) -> tuple[Ids, npt.NDArray[np.float64]]:
        """Tokens that weigh more than `level`, heaviest first, and their weights; the likeliest one weighs 1."""
        kept = np.flatnonzero(self._weights > level)
        with np.errstate(over="ignore"):
            shares = np.exp((scores[kept] - best).astype(np.float64) / self._sampling.temperature)
        order = np.lexsort((kept, -shares))
        return kept[order], shares[order]


class _RepeatGuard:
    """Knows which tokens would complete a run of `size` tokens that was there before."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._next: dict[tuple[int, ...], set[int]] = {}
        self._reply: list[int] = []

    def learn(self, tokens: Sequence[int]) -> None:
        """Take in the runs of an earlier text."""
        for end in range(self._size - 1, len(tokens)):
            self._next.setdefault(tuple(tokens[end - self._size + 1 : end]), set()).add(tokens[end])

    def add(self, token: int) -> None:
        """Take in the reply's next token."""
        self._reply.append(token)
        self.learn(self._reply[-self._size :])

    def banned(self) -> frozenset[int]:
        """The tokens that may not come next."""
        return frozenset(self._next.get(tuple(self._reply[1 - self._size :]), ()))


def _spoken_runs(prompt: Prompt) -> Iterable[list[int]]:
    """The character's own turns in a prompt."""
    run: list[int] = []
    for token, spoken in zip(prompt.input_ids, prompt.loss_mask, strict=True):
        if spoken:
            run.append(token)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _ids(tokens: Collection[int]) -> Ids:
    return np.fromiter(tokens, dtype=np.int64, count=len(tokens))
