"""One run in several processes: who is who, and what only the first of them does.

`torchrun` and `accelerate launch` start the processes; the Trainer shares the work. Here they join before anything is
counted or read, because the number of processes decides which rows make a step.
"""

from __future__ import annotations

from datetime import timedelta

from accelerate import PartialState

_PATIENCE = timedelta(hours=24)
"""Others wait this long while the first process extracts features."""


def join() -> PartialState:
    """Join the other processes of the launch, if there are any; later calls give the same."""
    import torch

    return PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
