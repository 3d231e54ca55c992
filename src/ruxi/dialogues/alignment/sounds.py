"""Which turns belong to which sound: a recording of the whole scene, or one for each turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ruxi.dialogues.schema import Dialogue, Part, Turn


@dataclass(frozen=True)
class Share:
    """Turns of one dialogue that are spoken in a sound.

    Attributes:
        media: SHA-256 of the sound or video.
        turns: Indices of the turns, in order.
        start: Where the medium begins on the dialogue's time axis, in seconds; None when the data do not say.
    """

    media: str
    turns: tuple[int, ...]
    start: float | None


def shares_of(dialogue: Dialogue) -> list[Share]:
    """The sounds of a dialogue with their turns.

    A sound that comes with a turn's own words belongs to that turn. A sound that stands in a turn without words, or in
    several turns, is a recording of the scene: it holds every turn that has words and no sound of its own.
    """
    holders: dict[str, list[int]] = {}
    for index, turn in enumerate(dialogue.turns):
        for part in _sounds(turn):
            holders.setdefault(str(part.media), []).append(index)
    own = {
        media: indices[0]
        for media, indices in holders.items()
        if len(indices) == 1 and words_of_turn(dialogue.turns[indices[0]])
    }
    free = [index for index, turn in enumerate(dialogue.turns) if words_of_turn(turn) and index not in own.values()]
    shares = [Share(media, (index,), _start(dialogue, index, media)) for media, index in own.items()]
    scenes = [media for media in holders if media not in own]
    # A second recording of the same scene (another camera) would only repeat the first.
    if scenes and free:
        shares.append(Share(scenes[0], tuple(free), _start(dialogue, holders[scenes[0]][0], scenes[0]) or 0.0))
    return sorted(shares, key=lambda share: share.turns[0])


def words_of_turn(turn: Turn) -> str:
    """What is said in a turn: its written text, or else the transcript of its sound."""
    if turn.text.strip():
        return turn.text
    return "\n".join(part.text for part in _sounds(turn) if part.text and part.text.strip())


def is_scene(dialogue: Dialogue, share: Share) -> bool:
    """Whether a sound holds the whole scene rather than one turn."""
    return len(share.turns) > 1 or all(part.media != share.media for part in _sounds(dialogue.turns[share.turns[0]]))


def in_groups(dialogues: Iterable[Dialogue]) -> Iterator[list[Dialogue]]:
    """Dialogues that follow each other and are spoken in the same recording, which share one clock."""
    group: list[Dialogue] = []
    for dialogue in dialogues:
        if group and (_scene(dialogue) is None or _scene(dialogue) != _scene(group[-1])):
            yield group
            group = []
        group.append(dialogue)
    if group:
        yield group


def _scene(dialogue: Dialogue) -> str | None:
    return next((share.media for share in shares_of(dialogue) if is_scene(dialogue, share)), None)


def _sounds(turn: Turn) -> Sequence[Part]:
    return [part for part in turn.parts if part.kind in ("audio", "video") and part.media and not is_cut(part)]


def is_cut(part: Part) -> bool:
    """Whether a part is a piece that an earlier alignment cut from a recording."""
    return "cut_from" in (part.model_extra or {})


def _start(dialogue: Dialogue, turn: int, media: str) -> float | None:
    return next(part.start for part in dialogue.turns[turn].parts if part.media == media)
