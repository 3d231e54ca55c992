"""Media on their way into the model: features as given, and streams as the fusion reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ruxi.errors import ModelError


@dataclass(frozen=True)
class MediaInputs:
    """Features of the media of one modality in a batch of dialogues.

    Attributes:
        values: Features, padded, `[media, n, features]`.
        mask: True where there is a feature, `[media, n]`.
        row: Row of the batch that each medium belongs to, `[media]`.
        turn: Turn in which it appears, `[media]`.
        segment: Which of the dialogues packed into the row it belongs to, `[media]`; None: not packed.
    """

    values: Tensor
    mask: Tensor
    row: Tensor
    turn: Tensor
    segment: Tensor | None = None

    def to(self, device: torch.device | str) -> MediaInputs:
        """The same media on another device."""
        return MediaInputs(
            *(None if t is None else t.to(device) for t in (self.values, self.mask, self.row, self.turn, self.segment))  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class Stream:
    """Tokens of one modality, ready to be attended to by every row of a batch.

    Attributes:
        tokens: Resampled tokens, padded, `[batch, m, width]`.
        keys: Their keys for each set of projections, `[sets, batch, heads, m, head_width]`; one set when the
            projections are shared.
        values: Their values, likewise.
        turn_ids: Turn of each token, `[batch, m]`.
        segment_ids: Packed dialogue of each token, `[batch, m]`.
        valid: False where the stream is padded, `[batch, m]`.
        same_turn_only: Whether only the tokens of that very turn may attend (guidance), or later ones too (media).
        emotions: Logits of the emotion that each medium shows by itself, `[batch, media, emotions]`, its tokens being
            as many of the `m` as those of any other; None where no head reads the stream.
    """

    tokens: Tensor
    keys: Tensor
    values: Tensor
    turn_ids: Tensor
    segment_ids: Tensor
    valid: Tensor
    same_turn_only: bool = False
    emotions: Tensor | None = None

    def visible(self, turn_ids: Tensor, segment_ids: Tensor) -> Tensor:
        """Which media tokens a text token may attend to.

        Args:
            turn_ids: Turn of each text token, `[batch, n]`.
            segment_ids: Packed dialogue of each text token, `[batch, n]`.

        Returns:
            `[batch, n, m]`, True where it may.
        """
        there, here = self.turn_ids[:, None, :], turn_ids[:, :, None]
        in_time = there == here if self.same_turn_only else there <= here
        return in_time & (self.segment_ids[:, None, :] == segment_ids[:, :, None]) & self.valid[:, None, :]

    def shown(self, turn_ids: Tensor, segment_ids: Tensor) -> Tensor:
        """Which media are of that very turn.

        Args:
            turn_ids: Turn of each text token, `[batch, n]`.
            segment_ids: Packed dialogue of each text token, `[batch, n]`.

        Returns:
            `[batch, n, media]`, True for those.

        Raises:
            ModelError: The model has no guidance.
        """
        tokens = self.turn_ids.shape[1] // self._media_emotions().shape[1]
        return replace(self, same_turn_only=True).visible(turn_ids, segment_ids)[..., ::tokens]

    def shown_emotion(self, turn_ids: Tensor, segment_ids: Tensor) -> Tensor:
        """Emotion logits of the media of that very turn, added up.

        Args:
            turn_ids: Turn of each text token, `[batch, n]`.
            segment_ids: Packed dialogue of each text token, `[batch, n]`.

        Returns:
            `[batch, n, emotions]`, zeros where the turn shows nothing.

        Raises:
            ModelError: The model has no guidance.
        """
        emotions = self._media_emotions()
        return self.shown(turn_ids, segment_ids).to(emotions.dtype) @ emotions

    def _media_emotions(self) -> Tensor:
        if self.emotions is None:
            raise ModelError("this model has no emotion heads for media", remedy="Train one with guidance.")
        return self.emotions

    def select_rows(self, rows: Tensor) -> Stream:
        """The stream with its rows picked anew, for beams and several samples of one prompt."""
        return replace(
            self,
            tokens=self.tokens[rows],
            keys=self.keys[:, rows],
            values=self.values[:, rows],
            turn_ids=self.turn_ids[rows],
            segment_ids=self.segment_ids[rows],
            valid=self.valid[rows],
            emotions=None if self.emotions is None else self.emotions[rows],
        )


Streams = Mapping[str, Stream]
"""Streams by modality; a modality that is missing is absent."""


def to_rows(
    tokens: Tensor, row: Tensor, turn: Tensor, segment: Tensor | None, batch: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lay the tokens of single media side by side, row by row of the batch.

    Args:
        tokens: `[media, tokens, width]`.
        row: Row of each medium, `[media]`.
        turn: Turn of each medium, `[media]`.
        segment: Packed dialogue of each medium, `[media]`, or None.
        batch: Number of rows.

    Returns:
        Tokens `[batch, m, width]`, turns, segments and validity `[batch, m]` each.
    """
    count, length, width = tokens.shape
    order = torch.zeros(count, dtype=torch.long, device=tokens.device)
    seen = [0] * batch
    for index, where in enumerate(row.tolist()):
        order[index] = seen[where]
        seen[where] += 1
    most = max(seen)
    rows = tokens.new_zeros(batch, most, length, width)
    turns = torch.zeros(batch, most, dtype=torch.long, device=tokens.device)
    segments, valid = turns.clone(), torch.zeros_like(turns, dtype=torch.bool)
    place = (row, order)
    rows = rows.index_put(place, tokens)
    turns[place] = turn
    segments[place] = torch.zeros_like(turn) if segment is None else segment
    valid[place] = True
    turns, segments, valid = (t.repeat_interleave(length, dim=1) for t in (turns, segments, valid))
    return rows.flatten(1, 2), turns, segments, valid
