"""Annotation by people: tasks for Label Studio, their results, agreement, and preference pairs for training."""

from ruxi.dialogues.crowd.agreement import Verdict, alpha, quality, verdicts
from ruxi.dialogues.crowd.export import projects_of, read_manifest, write_export, write_manifest
from ruxi.dialogues.crowd.label_studio import Judgement, judgements_in
from ruxi.dialogues.crowd.questions import QUESTIONS, Question, questions_named
from ruxi.dialogues.crowd.results import CrowdReport, import_results
from ruxi.dialogues.crowd.tasks import Task, tasks_of

__all__ = [
    "QUESTIONS", "CrowdReport", "Judgement", "Question", "Task", "Verdict", "alpha", "import_results", "judgements_in",
    "projects_of", "quality", "questions_named", "read_manifest", "tasks_of", "verdicts", "write_export",
    "write_manifest",
]  # fmt: skip
