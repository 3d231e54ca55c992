"""What is learnt: one objective a file."""

from ruxi.training.objectives.base import Loss, Objective, Pass
from ruxi.training.objectives.choice import Choice
from ruxi.training.objectives.contrastive import Contrastive
from ruxi.training.objectives.distillation import Distillation
from ruxi.training.objectives.labels import Emotion, Intent, MediaEmotion
from ruxi.training.objectives.preference import Preference
from ruxi.training.objectives.reply import Reply
from ruxi.training.objectives.speech_kl import SpeechKL

__all__ = [
    "Choice", "Contrastive", "Distillation", "Emotion", "Intent", "Loss", "MediaEmotion", "Objective", "Pass",
    "Preference", "Reply", "SpeechKL",
]  # fmt: skip
