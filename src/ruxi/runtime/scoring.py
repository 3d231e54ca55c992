"""Log-likelihoods of replies, with what they share computed once.

Candidate replies to one dialogue differ in their last turn only. Their common context is read once; its keys and
values are then lent to the candidates, several at a time, sorted by length so that little is padded. Dialogues that
share a beginning (the persona, in most cases) go on from one another's cache. Sharing changes a number by no more than
rounding; the same prompts in the same order give the same numbers to the bit.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers.cache_utils import Cache

from ruxi.model import RolePlayForCausalLM
from ruxi.prompt import Prompt
from ruxi.runtime.marked import context_key, first_marked, marked_turns, up_to
from ruxi.runtime.protocol import Media
from ruxi.runtime.reading import Reader, Reading

Scores = npt.NDArray[np.float32]

_LOGITS_AT_ONCE = 256
_SUMMED_AT_ONCE = 8
"""Rows of logits that are made single precision and added up together: few enough to stay in a processor's cache."""


@dataclass(frozen=True)
class ScoredReply:
    """What a model makes of the marked tokens of a prompt.

    Attributes:
        scores: Natural log-probability of each, `[n]`.
        state: Mean of the last hidden states from which they are predicted, `[d]`; zeros when none is marked.
    """

    scores: Scores
    state: npt.NDArray[np.float32]


class ReplyScorer:
    """Scores the tokens that `Prompt.loss_mask` marks.

    Args:
        model: The model.
        reader: Reads prompts, with their media and guidance.
        batch_tokens: Tokens of candidates in one forward pass, padding included.
    """

    def __init__(self, model: RolePlayForCausalLM, reader: Reader, *, batch_tokens: int = 512) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        self._reader = reader
        self._batch_tokens = batch_tokens

    def score(self, prompts: Sequence[Prompt], media: Media) -> list[Scores]:
        """Natural log-probability of each marked token, one array a prompt; see `read`."""
        return [reply.scores for reply in self.read(prompts, media)]

    @torch.inference_mode()
    def read(self, prompts: Sequence[Prompt], media: Media) -> list[ScoredReply]:
        """Scores and pooled states of the marked tokens.

        Args:
            prompts: What to score; those with the same context before the reply are scored together.
            media: Features of their media.

        Raises:
            EngineError: The first token of a prompt is marked: nothing predicts it.
        """
        groups: dict[object, list[int]] = {}
        for index, prompt in enumerate(prompts):
            cut = first_marked(prompt)
            if cut is not None:
                groups.setdefault(context_key(prompt, cut), []).append(index)
        found: dict[int, ScoredReply] = {}
        reading: Reading | None = None
        for members in groups.values():
            together = [prompts[index] for index in members]
            if len(members) > 1 and all(len(marked_turns(prompt)) == 1 for prompt in together):
                reading, replies = self._score_candidates(together, media, reading)
                found.update(zip(members, replies, strict=True))
            else:
                for index in members:
                    reading, found[index] = self._score_one(prompts[index], media, reading)
        width = self._model.language_model.config.get_text_config().hidden_size
        nothing = ScoredReply(np.zeros(0, np.float32), np.zeros(width, np.float32))
        return [found.get(index, nothing) for index in range(len(prompts))]

    def _score_one(self, prompt: Prompt, media: Media, kept: Reading | None) -> tuple[Reading, ScoredReply]:
        marked = [index for index, wanted in enumerate(prompt.loss_mask) if wanted]
        reading, hidden = self._reader.read_prompt(
            prompt, media, guided_turns=marked_turns(prompt), kept=kept, reread_from=marked[0] - 1
        )
        first_read = len(prompt.input_ids) - len(hidden)
        before = torch.tensor(marked, device=hidden.device) - 1 - first_read
        states = hidden[before]
        scores = self._token_scores(states, torch.tensor([prompt.input_ids[i] for i in marked]))
        return reading, ScoredReply(scores, _as_array(states.float().mean(dim=0)))

    def _score_candidates(
        self, prompts: list[Prompt], media: Media, kept: Reading | None
    ) -> tuple[Reading, list[ScoredReply]]:
        cut = prompts[0].loss_mask.index(True)
        reading, hidden = self._reader.read_prompt(
            up_to(prompts[0], cut), media, guided_turns=marked_turns(prompts[0]), kept=kept
        )
        firsts = torch.tensor([prompt.input_ids[cut] for prompt in prompts])
        first = self._token_scores(hidden[-1:].expand(len(prompts), -1), firsts)
        opening = hidden[-1].float()
        found: dict[int, ScoredReply] = {}
        for batch in self._batches([len(prompt.input_ids) - cut for prompt in prompts]):
            scored = self._score_batch([prompts[index] for index in batch], cut, reading)
            for index, (scores, states) in zip(batch, scored, strict=True):
                mean = (opening + states) / (len(scores) + 1)
                found[index] = ScoredReply(np.concatenate([first[index : index + 1], scores]), _as_array(mean))
        return reading, [found[index] for index in range(len(prompts))]

    def _batches(self, lengths: list[int]) -> Iterator[list[int]]:
        """Indices by length, as many together as fit `batch_tokens` when padded to the longest."""
        batch: list[int] = []
        for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
            if batch and lengths[batch[0]] * (len(batch) + 1) > self._batch_tokens:
                yield batch
                batch = []
            batch.append(index)
        yield batch

    def _score_batch(self, prompts: list[Prompt], cut: int, reading: Reading) -> list[tuple[Scores, Tensor]]:
        """Scores of all marked tokens but the first, which the context predicts, and the sum of their states."""
        size, longest = len(prompts), max(len(prompt.input_ids) for prompt in prompts) - cut
        ids = torch.zeros(size, longest, dtype=torch.long)
        turns, targets = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
        for row, prompt in enumerate(prompts):
            length = len(prompt.input_ids) - cut
            ids[row, :length] = torch.tensor(prompt.input_ids[cut:])
            turns[row, :length] = torch.tensor(prompt.turn_ids[cut:])
            targets[row, :length] = torch.tensor(prompt.loss_mask[cut:])
        device = self._device
        rows = torch.zeros(size, dtype=torch.long, device=device)
        # Padding stands on the right, where causal attention keeps it out of sight.
        hidden = self._model.decode(
            ids.to(device),
            turn_ids=turns.to(device),
            streams={name: stream.select_rows(rows) for name, stream in reading.streams.items()},
            past_key_values=_lent(reading.cache, size),
            use_cache=True,
        )["last_hidden_state"]
        wanted = targets[:, 1:]
        flat = self._token_scores(hidden[:, :-1][wanted.to(device)], ids[:, 1:][wanted])
        sums = (hidden[:, :-1].float() * wanted.to(device)[..., None]).sum(dim=1)
        return list(zip(np.split(flat, np.cumsum(wanted.sum(dim=1).numpy())[:-1]), sums, strict=True))

    def _token_scores(self, hidden: Tensor, tokens: Tensor) -> Scores:
        """Log-probabilities of tokens `[n]` after hidden states `[n, d]`, a piece at a time: vocabularies are wide."""
        pieces = [np.zeros(0, np.float32)]
        for states, wanted in zip(hidden.split(_LOGITS_AT_ONCE), tokens.split(_LOGITS_AT_ONCE), strict=True):
            rows, places = self._model.logits(states).split(_SUMMED_AT_ONCE), wanted.split(_SUMMED_AT_ONCE)
            pieces += [_log_probabilities(logits, chosen) for logits, chosen in zip(rows, places, strict=True)]
        return np.concatenate(pieces)


def _log_probabilities(logits: Tensor, tokens: Tensor) -> Scores:
    logits = logits.float()
    chosen = logits.gather(1, tokens.to(logits.device)[:, None])[:, 0]
    return _as_array(chosen - logits.logsumexp(dim=-1))


def _as_array(state: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = state.cpu().numpy()
    return array


def _lent(cache: Cache, rows: int) -> Cache:
    """The cache for several rows, without copying it; what is added to it leaves the original as it is."""
    lent = copy.copy(cache)
    lent.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in lent.layers:
        layer.keys = layer.keys.expand(rows, -1, -1, -1)
        layer.values = layer.values.expand(rows, -1, -1, -1)
    return lent
