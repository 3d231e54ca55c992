"""What is learnt: one objective a file."""

from ruxi.training.objectives.base import Loss, Objective, Pass
from ruxi.training.objectives.contrastive import Contrastive
from ruxi.training.objectives.labels import Emotion, Intent
from ruxi.training.objectives.reply import Reply

__all__ = ["Contrastive", "Emotion", "Intent", "Loss", "Objective", "Pass", "Reply"]
