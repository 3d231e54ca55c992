"""Training examples: dialogues in tokens, with their labels.

An example refers to features by content hash; the cache holds them, so that examples stay small and a data set of any
size fits. `ruxi.training.example_builder` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ruxi.training.settings import PairKind

NO_LABEL = -100


@dataclass(frozen=True)
class Medium:
    """A medium of an example.

    Attributes:
        kind: `image`, `audio` or `video`.
        media: SHA-256 of its bytes.
        turn: Turn in which it appears.
        says: Sentences about it: its captions or its transcript.
    """

    kind: str
    media: str
    turn: int
    says: tuple[str, ...] = ()


@dataclass(frozen=True)
class TurnLabels:
    """What is known of one turn.

    Attributes:
        turn: Its index.
        position: Position of its last token.
        emotion: Index of its emotion, or `NO_LABEL`.
        intent: Index of its intent, or `NO_LABEL`.
        is_reply: Whether the character speaks it.
    """

    turn: int
    position: int
    emotion: int
    intent: int
    is_reply: bool


@dataclass(frozen=True)
class Written:
    """An example whose speech stands in the text, and where it says the same as the one that hears.

    Attributes:
        example: The dialogue with the words in the place of the sounds.
        here: Positions of the states that predict the replies after the first sound, in the example that hears `[k]`.
        there: The same states in `example`, `[k]`.
    """

    example: Example
    here: npt.NDArray[np.int64]
    there: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rejected:
    """The worse reply of a pair.

    Attributes:
        example: The dialogue with the worse reply, or with what makes it worse.
        kind: What is wrong with it.
        reference: Log-likelihood in nats of the better and of the worse reply under the reference.
    """

    example: Example
    kind: PairKind
    reference: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Example:
    """A dialogue ready to be packed.

    Attributes:
        id: Dialogue and character.
        group: What cross-validation keeps together.
        input_ids: int32 `[n]`.
        turn_ids: int32 `[n]`.
        targets: True for tokens to be learnt, bool `[n]`.
        media: Its media.
        turns: Its turns' labels.
        written: The same with its speech in writing, for the objective that compares the two.
        rejected: A worse reply, for preferences; both stand side by side in one row.
        fork: Where the last reply begins, from which others branch off.
        others: Tokens of the replies among which it is to be chosen, each int32 `[k]`.
        alternatives: Tokens of replies that are right as well and learnt as it is, each int32 `[k]`.
    """

    id: str
    group: str
    input_ids: npt.NDArray[np.int32]
    turn_ids: npt.NDArray[np.int32]
    targets: npt.NDArray[np.bool_]
    media: tuple[Medium, ...]
    turns: tuple[TurnLabels, ...]
    written: Written | None = None
    rejected: Rejected | None = None
    fork: int = 0
    others: tuple[npt.NDArray[np.int32], ...] = ()
    alternatives: tuple[npt.NDArray[np.int32], ...] = ()

    def __len__(self) -> int:
        """Tokens that it takes in a row."""
        beside = 0 if self.rejected is None else len(self.rejected.example)
        return len(self.input_ids) + beside + sum(map(len, self.branches))

    @property
    def branches(self) -> tuple[npt.NDArray[np.int32], ...]:
        """Tokens of all that branches off at the fork beside the reply itself."""
        return (*self.others, *self.alternatives)
