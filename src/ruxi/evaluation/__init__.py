"""Evaluation: role-playing ability, measured so that nobody has to believe us.

`evaluate` runs tasks on a model and keeps a record of every item; numbers, intervals, comparisons and reports are
computed from the records.
"""

from ruxi.evaluation.data import EvaluationData, open_data
from ruxi.evaluation.player import Player
from ruxi.evaluation.results import MetricResult, Results, TaskResult
from ruxi.evaluation.runner import Planned, evaluate, make_task
from ruxi.evaluation.task import Item, Metric, Record, Task, TaskOptions

__all__ = [
    "EvaluationData", "Item", "Metric", "MetricResult", "Planned", "Player", "Record", "Results", "Task",
    "TaskOptions", "TaskResult", "evaluate", "make_task", "open_data",
]  # fmt: skip
