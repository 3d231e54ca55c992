"""Prompts and the features of their media, as tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ruxi.features import STREAM_OF_KIND, FeatureSequence
from ruxi.model.streams import MediaInputs
from ruxi.prompt import Prompt


@dataclass(frozen=True)
class Placed:
    """Features of one medium and where it belongs in a batch.

    Attributes:
        stream: Name of the stream that it feeds.
        features: What its extractor found.
        row: Row of the batch.
        turn: Turn in which it appears.
        segment: Packed dialogue of the row.
    """

    stream: str
    features: FeatureSequence
    row: int
    turn: int
    segment: int = 0


def placed_media(
    prompts: Sequence[Prompt], media: Mapping[str, FeatureSequence], streams: Iterable[str]
) -> list[Placed]:
    """The media of some prompts, one prompt a row.

    Args:
        prompts: The prompts.
        media: Features by SHA-256; media without features are left out, as missing modalities are.
        streams: The streams that the model knows.
    """
    known = set(streams)
    return [
        Placed(STREAM_OF_KIND[slot.kind], media[slot.media], row, slot.turn)
        for row, prompt in enumerate(prompts)
        for slot in prompt.slots
        if slot.media in media and STREAM_OF_KIND[slot.kind] in known
    ]


def media_inputs(placed: Sequence[Placed]) -> dict[str, MediaInputs]:
    """Pad features to one tensor a stream.

    Returns:
        Float32 features by stream; a stream without any medium is absent.
    """
    inputs = {}
    for stream in dict.fromkeys(p.stream for p in placed):
        mine = [p for p in placed if p.stream == stream]
        longest = max(len(p.features.values) for p in mine)
        values = np.zeros((len(mine), longest, mine[0].features.values.shape[1]), dtype=np.float32)
        mask = np.zeros(values.shape[:2], dtype=bool)
        for index, p in enumerate(mine):
            values[index, : len(p.features.values)] = p.features.values
            mask[index, : len(p.features.values)] = True
        inputs[stream] = MediaInputs(
            torch.from_numpy(values),
            torch.from_numpy(mask),
            torch.tensor([p.row for p in mine]),
            torch.tensor([p.turn for p in mine]),
            torch.tensor([p.segment for p in mine]),
        )
    return inputs
