"""Replies of a given form: tokens that would leave a JSON schema, a regular expression or a grammar are masked.

llguidance follows the grammar; here is only what an engine needs of it. The library is imported when a constraint is
first used, so that a bundle runs without it. A form that the user gives is checked before the model computes anything.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from ruxi.errors import EngineError, UsageError

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

_LAYOUT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""Small models like to write white space for ever; a schema's own `x-guidance` wins over this."""


@dataclass(frozen=True)
class Constraint:
    """The form that a reply must have.

    Attributes:
        kind: What `text` is: a JSON schema, a regular expression (Rust syntax, for the whole reply), or a context-free
            grammar, written for Lark (rule `start`) or as GBNF (rule `root`).
        text: The schema, expression or grammar.
    """

    kind: Literal["json_schema", "regex", "grammar"]
    text: str

    @classmethod
    def json_schema(cls, schema: Mapping[str, Any] | bool) -> Self:
        """JSON that fits a schema; `{"type": "object"}` for any object."""
        return cls("json_schema", json.dumps(schema, ensure_ascii=False))

    @classmethod
    def regex(cls, pattern: str) -> Self:
        """Text that matches a regular expression from its first to its last character."""
        return cls("regex", pattern)

    @classmethod
    def grammar(cls, rules: str) -> Self:
        """Text of a context-free language, in Lark's notation or in GBNF."""
        return cls("grammar", rules)

    def check(self) -> None:
        """Find out whether it can be used, before a model is loaded.

        Raises:
            UsageError: The schema, expression or grammar is wrong.
            EngineError: llguidance is not installed.
        """
        if problem := _library().LLMatcher.validate_grammar(_grammar(self)):
            raise _wrong(self, problem)


class Constraints:
    """Constraints for the tokens of one model; safe to use from several threads.

    Args:
        tokenizer: The model's tokenizer.
        end_ids: Tokens that end a reply; they are free as soon as the form is complete.
    """

    def __init__(self, tokenizer: Tokenizer, end_ids: Collection[int]) -> None:
        self._tokenizer = tokenizer
        self._end_ids = sorted(end_ids)
        self._vocabulary: LLTokenizer | None = None
        self._lock = threading.Lock()

    def follow(self, constraint: Constraint | None) -> FollowedConstraint | None:
        """Begin a reply of that form; None for a free reply.

        Raises:
            UsageError: The schema, expression or grammar is wrong.
            EngineError: llguidance is not installed.
        """
        if constraint is None:
            return None
        library = _library()
        grammar = _grammar(constraint)
        with self._lock:
            if self._vocabulary is None:
                self._vocabulary = library.LLTokenizer(self._tokenizer.to_str(), eos_token=self._end_ids)
        matcher = library.LLMatcher(self._vocabulary, grammar, log_level=0)
        if matcher.is_error():
            raise _wrong(constraint, matcher.get_error())
        return FollowedConstraint(matcher, self._end_ids)


class FollowedConstraint:
    """What one reply may say next; made by `Constraints.follow`."""

    def __init__(self, matcher: LLMatcher, end_ids: Collection[int]) -> None:
        self._matcher = matcher
        self._end_ids = np.array(list(end_ids), dtype=np.int64)

    def mask(self, scores: npt.NDArray[np.float32]) -> None:
        """Set the scores of the tokens that may not come next to minus infinity.

        Args:
            scores: Logits of the next token `[vocabulary]`, changed in place; they may be more than the tokenizer
                has tokens, as padded models have.

        Raises:
            EngineError: The grammar is too large to be followed.
        """
        if self._matcher.is_stopped():
            self._check()
            allowed = np.zeros(len(scores), dtype=bool)
            allowed[self._end_ids] = True
        else:
            bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
            self._check()
            known = np.unpackbits(bits, bitorder="little")[: len(scores)].astype(bool)
            allowed = np.pad(known, (0, len(scores) - len(known)))
        scores[~allowed] = -np.inf

    def add(self, token: int) -> None:
        """Take in the reply's next token."""
        if not self._matcher.is_stopped():
            self._matcher.consume_token(token)

    def _check(self) -> None:
        if self._matcher.is_error():
            problem = " ".join(self._matcher.get_error().split())
            raise EngineError(
                f"the form cannot be followed: {problem}", where="constraint", remedy="Give a simpler one."
            )


def _library() -> Any:
    try:
        import llguidance
    except ImportError as error:
        raise EngineError(
            "replies of a given form need the package llguidance",
            where="constraint",
            remedy="Run `pip install llguidance`.",
        ) from error
    return llguidance


def _grammar(constraint: Constraint) -> str:
    library = _library()
    try:
        if constraint.kind == "json_schema":
            if not isinstance(json.loads(constraint.text), dict | bool):
                raise ValueError("a schema is an object")
            return str(library.LLMatcher.grammar_from_json_schema(constraint.text, defaults=_LAYOUT))
        return str(library.grammar_from("regex" if constraint.kind == "regex" else "gbnf", constraint.text))
    except ValueError as error:
        raise _wrong(constraint, str(error)) from None


def _wrong(constraint: Constraint, problem: str) -> UsageError:
    noun = {"json_schema": "JSON schema", "regex": "regular expression", "grammar": "grammar"}[constraint.kind]
    return UsageError(
        f"this {noun} cannot be used: {' '.join(problem.split())}", where="constraint", remedy=f"Correct the {noun}."
    )
