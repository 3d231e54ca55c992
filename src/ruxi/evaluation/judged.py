"""What tasks with a judge share: how the judge is named, and what its verdicts come to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from ruxi.errors import UsageError
from ruxi.evaluation.generation import ReplyOptions
from ruxi.evaluation.judge import ChatClient, Judge, Verdict
from ruxi.evaluation.statistics import Columns
from ruxi.evaluation.task import Record
from ruxi.files import sha256_of_bytes
from ruxi.weights import home


class JudgeOptions(ReplyOptions):
    """Options of tasks with a judge."""

    incidental: ClassVar[frozenset[str]] = frozenset({"url", "key_variable", "parallel", "price_in", "price_out"})

    url: str | None = None
    """Base URL of the judge's OpenAI-compatible server."""
    model: str = "default"
    """Name of the judge's model there."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the API key, if the server wants one."""
    parallel: int = Field(4, gt=0)
    """Requests under way at the same time."""
    pictures: bool = False
    """Whether the judge is shown the pictures themselves."""
    price_in: float | None = Field(None, ge=0)
    """Price of a million tokens that the judge reads."""
    price_out: float | None = Field(None, ge=0)
    """Price of a million tokens that the judge writes."""


def judge_of(options: JudgeOptions) -> Judge:
    """The judge that options name; its answers are cached in the user's store.

    Raises:
        UsageError: No judge is named.
    """
    if not options.url:
        raise UsageError("no judge is named", where="judge", remedy="Give its server: --judge URL.")
    key = os.environ.get(options.key_variable) or None
    name = sha256_of_bytes(f"{options.url} {options.model}".encode())[:16]
    client = ChatClient(options.url, options.model, key=key, cache=home() / "judge" / f"{name}.jsonl")
    return Judge(client, parallel=options.parallel, send_pictures=options.pictures)


def usage_of(verdict: Verdict) -> dict[str, int]:
    """Tokens and calls of a verdict, for its record."""
    return {
        "prompt tokens": verdict.prompt_tokens,
        "completion tokens": verdict.completion_tokens,
        "calls": verdict.calls,
        "cached": verdict.cached,
    }


def usage_details(records: Sequence[Record], options: JudgeOptions) -> dict[str, Any]:
    """Tokens, calls and cost of all records."""
    used = [record.shown["usage"] for record in records if "usage" in record.shown]
    total = {name: sum(one[name] for one in used) for name in ("prompt tokens", "completion tokens", "calls", "cached")}
    details: dict[str, Any] = {"judge": options.model, **total}
    if options.price_in is not None or options.price_out is not None:
        spent = (options.price_in or 0) * total["prompt tokens"] + (options.price_out or 0) * total["completion tokens"]
        details["cost"] = round(spent / 1e6, 6)
    return {"judge": details}


def at_equal_length(columns: Columns, name: str) -> float:
    """A ratio where reply and reference are equally long: the intercept of its regression on the log of their ratio."""
    values = np.asarray(columns[name], dtype=np.float64)
    longer = np.asarray(columns["log length ratio"], dtype=np.float64)
    spread = ((longer - longer.mean()) ** 2).sum()
    slope = ((longer - longer.mean()) * (values - values.mean())).sum() / spread if spread > 0 else 0.0
    return float(values.mean() - slope * longer.mean())
