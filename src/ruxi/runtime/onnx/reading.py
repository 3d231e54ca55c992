"""One chat's way through the decoder: a prompt section by section and block by block, then token by token.

What is read stands in `Read`s that a coroutine yields to the scheduler; it gets their `Result`s back. A prompt is read
in blocks that begin at multiples of `BLOCK`, so that a prompt which goes on from whole blocks of an earlier one gives
the same numbers, to the bit, as one that is read from its first token on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import numpy as np

from ruxi.prompt import PERSONA_TURN
from ruxi.runtime.onnx.attended import Attended, Inserted
from ruxi.runtime.onnx.bundle import Bundle
from ruxi.runtime.onnx.decoder import Read, Result
from ruxi.runtime.onnx.graphs import Encoded, Floats, Graphs
from ruxi.runtime.onnx.layout import Integers, Layout
from ruxi.runtime.onnx.memory import BLOCK, Slot
from ruxi.runtime.protocol import Feelings

Reads = Generator[Read, Result, None]

Take = Callable[[Sequence[int], Result], None]
"""Takes the results of some positions."""


class Reading:
    """A prompt that is read into a slot.

    Args:
        bundle: The model.
        graphs: Its smaller graphs.
        slot: Where its keys and values go; what the prompt takes over stands there already.
        layout: The prompt.
        encoded: Its media, encoded, in the order of `layout.places`.

    Attributes:
        perception: What the user wants and feels, when the model has guidance.
    """

    def __init__(self, bundle: Bundle, graphs: Graphs, slot: Slot, layout: Layout, encoded: Sequence[Encoded]) -> None:
        self.slot = slot
        self.layout = layout
        self.perception: Feelings | None = None
        self._bundle = bundle
        self._graphs = graphs
        self._encoded = encoded
        self._attended = Attended(bundle, layout.places, encoded) if bundle.fuses else None
        self._inserted = Inserted(encoded, layout.ids) if bundle.is_prefix else None
        slot.media = layout.media
        slot.reusable = layout.starts[1] if layout.guided else None

    def prompt(self, keep: Sequence[int], take: Take) -> Reads:
        """Read the prompt from what the slot holds of it to its end.

        Args:
            keep: Positions whose results are wanted, in order; none before the slot's end.
            take: Is given them.
        """
        layout = self.layout
        hidden = np.zeros(0, np.float32)

        def take_section(positions: Sequence[int], result: Result) -> None:
            nonlocal hidden
            hidden = result.hidden_states[-1].copy()
            wanted = [index for index, position in enumerate(positions) if position in kept]
            if wanted:
                take([positions[i] for i in wanted], Result(result.logits[wanted], result.hidden_states[wanted]))

        kept = frozenset(keep)
        for start, end in zip(layout.starts, [*layout.starts[1:], len(layout.ids)], strict=True):
            if start > 0:
                self.guide(hidden, start)
            begin = max(start, self.slot.length)
            also = [end - 1] if end < len(layout.ids) else []
            wanted = sorted({*also, *(position for position in keep if begin <= position < end)})
            yield from self.read(layout.ids[begin:end], layout.turns[begin:end], wanted, take_section)

    def read(self, ids: Integers, turns: Integers, keep: Sequence[int], take: Take) -> Reads:
        """Read positions behind what the slot holds.

        Args:
            ids: What stands there.
            turns: Turn of each.
            keep: Positions whose results are wanted, counted from the slot's first one, in order.
            take: Is given them, block by block.
        """
        first = at = self.slot.length
        end = first + len(ids)
        while at < end:
            until = min(end, (at // BLOCK + 1) * BLOCK)
            part = slice(at - first, until - first)
            positions = [position for position in keep if at <= position < until]
            result = yield self._read(ids[part], turns[part], [position - at for position in positions], at)
            if until - at == BLOCK and self.slot.steady == at:
                self.slot.steady = until
            if positions:
                take(positions, result)
            at = until

    def next(self, token: int) -> Read:
        """The read of one more token of the turn that is being spoken."""
        return Read(np.array([token], np.int64), self.layout.turns[-1:], (0,), self._attended)

    def guide(self, hidden: Floats, start: int) -> None:
        """Perceive what the user wants and feels, and make the guidance for the reply that begins at a position.

        Args:
            hidden: Last hidden state `[d]` before that position.
            start: The position.
        """
        labels = self._bundle.config.guidance
        assert labels is not None  # noqa: S101 - only models with guidance have several sections
        layout = self.layout
        turn_before, turn = int(layout.turns[start - 1]), int(layout.turns[start])
        heard = turn_before != PERSONA_TURN
        wanted = np.zeros(len(labels.emotions), np.float32)
        if layout.emotion in labels.emotions:
            wanted[labels.emotions.index(layout.emotion)] = 1.0
        media = self._attended or Attended(self._bundle, layout.places, self._encoded)
        visible, keys, values = media.media_seen(turn_before)
        shown = np.zeros_like(wanted)
        for place, medium in zip(layout.places, self._encoded, strict=True):
            if place.turn == turn_before and medium.emotions is not None:
                shown += medium.emotions
        guided = self._graphs.guide(
            hidden,
            visible,
            keys,
            values,
            shown_emotion=shown,
            heard=heard,
            persona=self._graphs.persona(layout.persona),
            reply_emotion=wanted,
        )
        if heard:
            self.perception = {
                "emotion": _by_label(labels.emotions, guided.emotion_logits),
                "intent": _by_label(labels.intents, guided.intent_logits),
            }
        if self._attended is not None:
            self._attended.guide(turn, guided.stream)
        elif self._inserted is not None:
            self._inserted.guide(guided.stream)

    def _read(self, ids: Integers, turns: Integers, keep: Sequence[int], begin: int) -> Read:
        states = None
        if self._inserted is not None and (ids < 0).any():
            states = self._inserted.states(ids, begin, self._bundle.config.shape.width)
        return Read(ids, turns, keep, self._attended, states)


def _by_label(labels: Sequence[str], logits: Floats) -> dict[str, float]:
    shares = np.exp(logits - logits.max())
    return dict(zip(labels, (shares / shares.sum()).tolist(), strict=True))
