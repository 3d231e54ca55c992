"""Annotation by machines: transcripts, languages, labels, intents, emotions, each with its source."""

from ruxi.dialogues.annotation.cache import AnswerCache
from ruxi.dialogues.annotation.emotion_rules import EmotionRules, guess_emotion
from ruxi.dialogues.annotation.extractors import ExtractorAnnotator
from ruxi.dialogues.annotation.intent_rules import IntentRules, guess_intent
from ruxi.dialogues.annotation.local import ClassifierAnnotator, LanguageAnnotator
from ruxi.dialogues.annotation.run import AnnotationReport, SetAnnotator
from ruxi.dialogues.annotation.types import FIELDS, Annotator, Answer, Field, Item

__all__ = [
    "FIELDS", "AnnotationReport", "Annotator", "Answer", "AnswerCache", "ClassifierAnnotator", "EmotionRules",
    "ExtractorAnnotator", "Field", "IntentRules", "Item", "LanguageAnnotator", "SetAnnotator", "guess_emotion",
    "guess_intent",
]  # fmt: skip
