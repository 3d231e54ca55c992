"""Records that cannot be read: which field is wrong, and whether the rest can be saved."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from ruxi.dialogues.checks.fault import Fault, Repair
from ruxi.dialogues.emotions import EMOTIONS
from ruxi.dialogues.schema import Dialogue
from ruxi.dialogues.store import StoredRecord
from ruxi.files import sha256_of_bytes

NAME = "types"
_NEEDED = {"id", "speaker", "kind", "name"}
"""Fields without which their object means nothing; all others may be left out."""


def faults_of_record(record: StoredRecord) -> Iterator[Fault]:
    """Every fault of a record that is not a dialogue."""
    data = json_of(record.raw)
    if not isinstance(data, dict):
        problem = record.error.problem if record.error else "it is not a JSON object"
        yield Fault(
            NAME, "error", f"not a dialogue: {problem}", "Restore the line, or remove it.", repair="drop_dialogue"
        )
        return
    yield from faults_of_json(data)


def json_of(raw: str) -> Any:
    """What a line holds, or None when it is not JSON in UTF-8."""
    try:
        raw.encode("utf-8")
        return json.loads(raw)
    except (UnicodeEncodeError, ValueError, RecursionError):
        return None


def faults_of_json(data: dict[str, Any]) -> Iterator[Fault]:
    """The places where an object departs from the schema of a dialogue."""
    try:
        Dialogue.model_validate_json(json.dumps(data))
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            path = list(fault["loc"])
            repair, value = _remedy(data, path, fault)
            place = ".".join(str(step) for step in path)
            message = fault["msg"].removeprefix("Value error, ")
            yield Fault(
                NAME,
                "error",
                f"{place}: {message}" if place else message,
                "Correct the field, or take it out.",
                turn=_after("turns", path),
                part=_after("parts", path),
                repair=repair,
                value=value,
            )


def _remedy(data: dict[str, Any], path: list[Any], fault: Any) -> tuple[Repair, Any]:
    """The smallest repair that may help."""
    if path == ["id"] and fault["type"] == "missing":
        return "set_field", [["id"], f"unnamed-{sha256_of_bytes(json.dumps(data, sort_keys=True).encode())[:12]}"]
    if fault["type"] == "string_type" and isinstance(fault["input"], int | float):
        return "set_field", [path, str(fault["input"])]
    if fault["type"] == "value_error":
        return _of_contradiction(path, fault["input"])
    if path and path[-1] not in _NEEDED and fault["type"] != "missing" and not isinstance(path[-1], int):
        return "drop_field", path
    return _drop_smallest(path)


def _of_contradiction(path: list[Any], item: Any) -> tuple[Repair, Any]:
    """A turn or part whose fields contradict each other."""
    if isinstance(item, dict):
        emotion = item.get("emotion")
        if isinstance(emotion, str) and emotion not in EMOTIONS:
            meant = emotion.strip().lower()
            if meant in EMOTIONS:
                return "set_field", [[*path, "emotion"], meant]
            return "drop_field", [*path, "emotion"]
        if not path and item.get("holdout"):
            return "drop_field", ["split"]
        if _reversed(item):
            return "clear_times", None
        if item.get("kind") == "text" and item.get("text") is not None:
            return "drop_field", [*path, "media"]
    return _drop_smallest(path)


def _reversed(item: dict[str, Any]) -> bool:
    start, end = item.get("start"), item.get("end")
    return isinstance(start, int | float) and isinstance(end, int | float) and end < start


def _drop_smallest(path: list[Any]) -> tuple[Repair, Any]:
    """Leave out the innermost object that may be left out: a label, a word, a part, a turn, the dialogue."""
    for length in range(len(path), 0, -1):
        if isinstance(path[length - 1], int):
            holder = path[length - 2]
            if holder == "parts":
                return "drop_part", None
            if holder == "turns":
                return "drop_turn", None
            return "drop_field", path[:length]
    return "drop_dialogue", None


def _after(name: str, path: list[Any]) -> int | None:
    for step, following in itertools.pairwise(path):
        if step == name and isinstance(following, int):
            return following
    return None
