"""Choosing among short answers to a question about a dialogue, for models without a head for it.

The question is one more turn; each answer is scored as the reply to it, minus what it is worth after the question
alone (calibration as in domain-conditional PMI, Holtzman et al., EMNLP 2021). Without that, models answer with the
word that they like best, whatever they are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ruxi.characters import Character
from ruxi.dialogues import Dialogue, Turn
from ruxi.evaluation.task import TaskOptions

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player

LISTENER = "Listener"
"""Who follows a dialogue without a part in it, in training as in evaluation."""


def answer_scores(
    player: Player,
    dialogues: Sequence[Dialogue],
    questions: Sequence[str],
    answers: Sequence[Sequence[str]],
    options: TaskOptions,
    data: EvaluationData,
) -> list[list[float]]:
    """Calibrated log-likelihood of each answer to a question after a dialogue.

    Args:
        player: The model.
        dialogues: What the questions are about.
        questions: One a dialogue.
        answers: The answers to choose from, for each.
        options: The task's options.
        data: Where the media are.
    """
    character = Character(name=LISTENER)
    prompts = []
    for dialogue, question, several in zip(dialogues, questions, answers, strict=True):
        for turns in ([*dialogue.turns, _asked(question)], [_asked(question)]):
            asked = dialogue.model_copy(update={"turns": turns})
            context = player.prompt(character, asked, LISTENER, options, data.media)
            prompts += [player.answered(context, answer) for answer in several]
    worth = [float(scores.sum()) for scores in player.log_likelihood(prompts, data.media)]
    found, start = [], 0
    for several in answers:
        after, alone = worth[start : start + len(several)], worth[start + len(several) : start + 2 * len(several)]
        found.append([one - other for one, other in zip(after, alone, strict=True)])
        start += 2 * len(several)
    return found


def _asked(question: str) -> Turn:
    return Turn.of_text("User", question)
