"""Pairwise judgement of a reply against the true one, in both orders.

Judges prefer what they read first, or last; each pair is therefore judged twice with the replies swapped, and the two
verdicts are averaged. As in MMRole a score is a ratio: what the reply got over what the true one got.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ruxi.dialogues import Dialogue
from ruxi.endpoint import object_in
from ruxi.errors import MediaError
from ruxi.evaluation.judge.client import ChatAnswer, ChatClient
from ruxi.evaluation.judge.rubric import INSTRUCTIONS, METRICS, schema, scores_in
from ruxi.media import MediaFolder
from ruxi.prompt.parts import words_of_turn

_LONGEST_PERSONA = 1500
_LONGEST_TEXT = 1500
_TURNS = 6


@dataclass(frozen=True)
class Pair:
    """A reply and the true one, after the same dialogue.

    Attributes:
        persona: Who the character is.
        speaker: Its name.
        dialogue: What was said before.
        reply: What the model said.
        reference: What was truly said.
    """

    persona: str
    speaker: str
    dialogue: Dialogue
    reply: str
    reference: str


@dataclass(frozen=True)
class Verdict:
    """What the judge makes of a pair.

    Attributes:
        ratios: For each metric, the reply's score over the true one's, averaged over both orders.
        own: For each metric, the reply's score, averaged over both orders.
        bias: How much better the reply in the first place did, whichever it was, in points.
        prompt_tokens: Tokens that the judge read.
        completion_tokens: Tokens that it wrote.
        calls: Requests that were made.
        cached: Answers that were known.
    """

    ratios: dict[str, float]
    own: dict[str, float]
    bias: float
    prompt_tokens: int
    completion_tokens: int
    calls: int
    cached: int

    @property
    def overall(self) -> float:
        """Mean ratio over the metrics."""
        return sum(self.ratios.values()) / len(self.ratios)


class Judge:
    """Judges pairs by an OpenAI-compatible model.

    Args:
        client: The model.
        parallel: Requests under way at the same time.
        send_pictures: Whether the judge is shown the pictures themselves, not only their descriptions.
    """

    def __init__(self, client: ChatClient, *, parallel: int = 4, send_pictures: bool = False) -> None:
        self._client = client
        self._parallel = parallel
        self._send_pictures = send_pictures

    def judge(self, pairs: Sequence[Pair], folder: MediaFolder) -> list[Verdict | None]:
        """Judge some pairs; None for one about which the judge gives no usable answer.

        Raises:
            EngineError: The server cannot be reached, or refuses.
        """
        asked = [(pair, swapped) for pair in pairs for swapped in (False, True)]
        with ThreadPoolExecutor(max_workers=self._parallel) as pool:
            answers = list(pool.map(lambda one: self._scores(one[0], folder, swapped=one[1]), asked))
        return [_verdict(*answers[place : place + 2]) for place in range(0, len(answers), 2)]

    def _scores(self, pair: Pair, folder: MediaFolder, *, swapped: bool) -> _Answered:
        first, second = (pair.reference, pair.reply) if swapped else (pair.reply, pair.reference)
        said = [
            {"speaker": turn.speaker, "text": words_of_turn(turn, describe_media=True)[:_LONGEST_TEXT]}
            for turn in pair.dialogue.turns[-_TURNS:]
        ]
        data = {
            "character": {"name": pair.speaker, "description": pair.persona[:_LONGEST_PERSONA]},
            "dialogue": said,
            "replies": {"A": first[:_LONGEST_TEXT], "B": second[:_LONGEST_TEXT]},
        }
        content: Any = json.dumps(data, ensure_ascii=False)
        pictures = picture_parts(pair.dialogue, folder) if self._send_pictures else []
        if pictures:
            content = [*pictures, {"type": "text", "text": content}]
        answers: list[ChatAnswer] = []
        # A second try with more words to spare; the request differs, so that the cache does not answer it.
        for longest in (400, 1200):
            answers.append(self._client.ask(INSTRUCTIONS, content, schema(), max_tokens=longest))
            found = scores_in(object_in(answers[-1].text))
            if found is not None:
                return _Answered(found, tuple(answers), swapped)
        return _Answered(None, tuple(answers), swapped)


def picture_parts(dialogue: Dialogue, folder: MediaFolder) -> list[dict[str, Any]]:
    """The last picture of a dialogue as a part of a message; none when there is no picture or it cannot be read."""
    parts = []
    for turn in dialogue.turns:
        for part in turn.parts:
            if part.kind == "image" and part.media is not None:
                try:
                    data = folder.read(part.media)
                except MediaError:
                    continue
                kind = folder.path(part.media).suffix.lstrip(".").replace("jpg", "jpeg")
                url = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
                parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts[-1:]


@dataclass(frozen=True)
class _Answered:
    scores: dict[str, tuple[float, float]] | None
    answers: tuple[ChatAnswer, ...]
    swapped: bool


def _verdict(straight: _Answered, swapped: _Answered) -> Verdict | None:
    if straight.scores is None or swapped.scores is None:
        return None
    ratios, own, bias = {}, {}, 0.0
    for name in METRICS:
        (one, other), (other_swapped, one_swapped) = straight.scores[name], swapped.scores[name]
        ratios[name] = (one / other + one_swapped / other_swapped) / 2
        own[name] = (one + one_swapped) / 2
        bias += ((one - other) + (other_swapped - one_swapped)) / 2 / len(METRICS)
    answers = (*straight.answers, *swapped.answers)
    return Verdict(
        ratios,
        own,
        bias,
        sum(answer.prompt_tokens for answer in answers if not answer.cached),
        sum(answer.completion_tokens for answer in answers if not answer.cached),
        sum(not answer.cached for answer in answers),
        sum(answer.cached for answer in answers),
    )
