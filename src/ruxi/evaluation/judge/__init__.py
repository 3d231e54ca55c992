"""A stronger model as judge: it compares a reply with the true one, and is itself measured before it is believed."""

from ruxi.evaluation.judge.client import ChatAnswer, ChatClient
from ruxi.evaluation.judge.judging import Judge, Verdict
from ruxi.evaluation.judge.rubric import METRICS

__all__ = ["METRICS", "ChatAnswer", "ChatClient", "Judge", "Verdict"]
