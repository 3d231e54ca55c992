"""Our models inside lmms-eval: it finds them by the entry point `lmms_eval.models` and runs its own tasks on them.

    lmms-eval eval --model ruxi --model_args pretrained=ruxi-mini --tasks pope

Nothing of it is needed by Ruxi, and none of its tasks is copied; this module is imported by lmms-eval alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from lmms_eval.api.instance import GenerationResult
from lmms_eval.api.model import lmms
from lmms_eval.models.registry_v2 import ModelManifest
from tqdm import tqdm  # type: ignore[import-untyped]

from ruxi.characters import Character
from ruxi.evaluation.answering import Answering
from ruxi.runtime import load

MANIFEST = ModelManifest(model_id="ruxi", simple_class_path="ruxi.evaluation.lmms.RuxiModel")
"""What the entry point names."""


class RuxiModel(lmms):  # type: ignore[misc]  # the library has no types
    """A Ruxi model as lmms-eval knows models.

    Args:
        pretrained: `ruxi-mini`, an adapter folder, or a Hugging Face id.
        engine: What computes it.
        card: Character card of who answers; a helpful nobody unless given.
        threads: Threads for the computation.
        batch_size: Questions that are scored together.
        options: What lmms-eval passes to every model (device and so on); not needed.
    """

    is_simple = True

    def __init__(
        self,
        pretrained: str = "ruxi-mini",
        engine: str = "torch",
        card: str | None = None,
        threads: int | None = None,
        batch_size: int | str = 8,
        **options: Any,
    ) -> None:
        super().__init__()
        opened = load(pretrained, engine=engine, threads=None if threads is None else int(threads))
        self._answering = Answering(opened, None if card is None else Character.load(card))
        self._batch = max(1, int(batch_size))

    def loglikelihood(self, requests: Sequence[Any]) -> list[Any]:
        """Score continuations, several together: choices of one question share it.

        Returns:
            Mean loss a token (whatever the name says, lmms-eval chooses the smallest), and whether it is greedy.
        """
        found: list[Any] = []
        for start in tqdm(range(0, len(requests), self._batch), desc="likelihoods"):
            questions, answers = [], []
            for request in requests[start : start + self._batch]:
                words, target, visual, doc_id, task, split = request.args
                document = self.task_dict[task][split][doc_id]
                questions.append((words, _media(visual, document)))
                answers.append(target if isinstance(target, str) else target(document))
            # Up to 0.7.3 at least, lmms-eval makes text of a bare pair, on which its metrics then fail.
            found += [GenerationResult(text=pair) for pair in self._answering.losses(questions, answers)]
        return found

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Answer in words."""
        replies = []
        for request in tqdm(requests, desc="replies"):
            words, settings, visual, doc_id, task, split = request.args
            media = _media(visual, self.task_dict[task][split][doc_id])
            replies.append(self._answering.reply(words, media, settings))
        return replies

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[tuple[str, ...]]:
        """Answer in words, round after round: the task makes each round's question of the answers so far."""
        return [self._rounds(*request.args) for request in tqdm(requests, desc="rounds")]

    def _rounds(
        self, words: str, settings: Any, visual: Any, following: Any, doc_id: Any, task: str, split: str
    ) -> tuple[str, ...]:
        document = self.task_dict[task][split][doc_id]
        said, kept = [self._answering.reply(words, _media(visual, document), settings)], None
        for number in count(1):
            shown, words, ended, said, kept = following(
                document, previous_output=said, round_idx=number, previous_round_info=kept
            )
            if ended:
                break
            said = [*said, self._answering.reply(words, _media(shown, document), settings)]
        return tuple(said)


def _media(visual: Any, document: Any) -> list[Any]:
    found = visual(document) if callable(visual) else visual
    return [medium for medium in (found or []) if medium is not None]
