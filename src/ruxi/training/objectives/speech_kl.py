"""Speech as good as writing: the model's answer to speech is drawn to its own answer to the transcript.

The same model reads the transcript, without the speech, and is the teacher: no gradient goes into it, and its dropout
is off. What it would answer, token by token along the true reply, is learnt where the speech alone is there (KL over
the whole vocabulary; alignment by continuation, cf. Wang et al., 2023, and Fathullah et al., 2024). Only tokens after
the first sound count, and only dialogues in which every sound is heard and has a transcript.
"""

from __future__ import annotations

import torch

from ruxi.training.objectives.base import Loss, Pass, pass_in_step, without_dropout
from ruxi.training.objectives.divergence import divergences


class SpeechKL:
    """KL(answer to the transcript ‖ answer to the speech), in nats."""

    name = "speech_kl"
    further: tuple[str, ...] = ()

    def __call__(self, run: Pass) -> Loss | None:
        """Sum over the tokens of the replies."""
        heard = run.batch.heard
        if heard is None:
            pass_in_step(run)
            return None
        states = run.hidden[heard.here[:, 0], heard.here[:, 1]]
        with torch.no_grad(), without_dropout(run.model):
            read = Pass(run.model, heard.batch).hidden[heard.there[:, 0], heard.there[:, 1]]
        found = divergences(run, states, lambda span: run.model.logits(read[span]).detach())
        return Loss(found.sum(), len(found))
