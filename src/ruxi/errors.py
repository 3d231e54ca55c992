"""The errors that a user can act on.

Every one of them reads `where: problem. Remedy`. The command line prints that single line and exits with the
error's `exit_code`; a traceback is shown only for faults of our own, which are not `RuxiError`s.
"""

from __future__ import annotations


class RuxiError(Exception):
    """A mistake or a limit that the user can act on.

    Args:
        problem: What is wrong, with the offending value.
        where: The file, field or argument at fault.
        remedy: What to do about it, as a sentence.
    """

    exit_code = 1

    def __init__(self, problem: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.problem = problem
        self.where = where
        self.remedy = remedy
        message = f"{where}: {problem}" if where else problem
        super().__init__(f"{message.rstrip('.')}. {remedy}" if remedy else message)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the three parts when an error crosses a process boundary."""
        return _rebuild, (type(self), self.problem, self.where, self.remedy)


def _rebuild(kind: type[RuxiError], problem: str, where: str | None, remedy: str | None) -> RuxiError:
    return kind(problem, where=where, remedy=remedy)


class UsageError(RuxiError):
    """A command or function was called in a way that cannot work."""

    exit_code = 2


class WeightsError(RuxiError):
    """A pretrained part is missing, damaged or cannot be fetched."""


class MediaError(RuxiError):
    """A picture, sound or video was refused before or while decoding."""


class CardError(RuxiError):
    """A character card cannot be read or written."""


class DataError(RuxiError):
    """A dialogue, turn or data set is wrong."""


class ModelError(RuxiError):
    """A model configuration, adapter or base model does not fit."""


class EngineError(RuxiError):
    """An engine cannot load, or failed while it generated."""
