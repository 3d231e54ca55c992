"""What `--fix` does: small changes to a record's JSON, each of which says what it took away.

They work on plain JSON, because a record that does not fit the schema is no `Dialogue` yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ruxi.dialogues.checks.fault import Fault
from ruxi.dialogues.checks.personal_data import mask_personal_data

Json = dict[str, Any]
_ABSENT = object()


def repair(record: Json, faults: Iterable[Fault]) -> list[tuple[Fault, Any]]:
    """Repair a record in place.

    Args:
        record: The dialogue as JSON.
        faults: The faults to repair; those without a repair are passed over.

    Returns:
        What was taken away or replaced, with the fault that was the reason. `drop_dialogue` is not carried out here:
        it appears with the whole record.
    """
    taken: list[tuple[Fault, Any]] = []
    # From the end to the beginning, so that an index still means the same turn when its fault's time comes.
    ordered = sorted(faults, key=_position, reverse=True)
    for stage in (_CHANGES, _REMOVALS):
        for fault in ordered:
            if fault.repair in stage:
                lost = stage[fault.repair](record, fault)
                if lost is not _ABSENT:
                    taken.append((fault, lost))
    return taken


def drop_emptied(record: Json) -> list[tuple[int, Any]]:
    """Take out turns of which repairs have left nothing; return them with their index."""
    turns = record.get("turns")
    if not isinstance(turns, list):
        return []
    empty = [
        index
        for index, turn in enumerate(turns)
        if isinstance(turn, dict) and not turn.get("parts") and not turn.get("action")
    ]
    return [(index, turns.pop(index)) for index in reversed(empty)]


def _position(fault: Fault) -> tuple[int, ...]:
    path = fault.value if fault.repair == "drop_field" else ()
    place = [-1 if index is None else index for index in (fault.turn, fault.part)]
    return (*place, *(step for step in path if isinstance(step, int)))


def _drop_dialogue(record: Json, fault: Fault) -> Any:
    return record


def _drop_turn(record: Json, fault: Fault) -> Any:
    return _pop(record.get("turns"), fault.turn)


def _drop_part(record: Json, fault: Fault) -> Any:
    turn = _item(record.get("turns"), fault.turn)
    return _pop(turn.get("parts"), fault.part) if isinstance(turn, dict) else _ABSENT


def _drop_field(record: Json, fault: Fault) -> Any:
    holder = _walk(record, fault.value[:-1])
    if isinstance(holder, list):
        return _pop(holder, fault.value[-1])
    return holder.pop(fault.value[-1], _ABSENT) if isinstance(holder, dict) else _ABSENT


def _set_field(record: Json, fault: Fault) -> Any:
    path, value = fault.value
    holder = _walk(record, path[:-1])
    if not isinstance(holder, dict):
        return _ABSENT
    before = holder.get(path[-1])
    holder[path[-1]] = value
    return before


def _add_cast(record: Json, fault: Fault) -> Any:
    cast = record.setdefault("cast", [])
    if isinstance(cast, list) and all(member.get("name") != fault.value["name"] for member in cast):
        cast.append(dict(fault.value))
    return _ABSENT


def _clear_times(record: Json, fault: Fault) -> Any:
    item = _item(record.get("turns"), fault.turn)
    if fault.part is not None and isinstance(item, dict):
        item = _item(item.get("parts"), fault.part)
    if not isinstance(item, dict):
        return _ABSENT
    return {name: item.pop(name) for name in ("start", "end") if name in item} or _ABSENT


def _mask(record: Json, fault: Fault) -> Any:
    part = _walk(record, ["turns", fault.turn, "parts", fault.part])
    if not isinstance(part, dict) or not isinstance(part.get("text"), str):
        return _ABSENT
    masked = mask_personal_data(part["text"])
    if masked != part["text"]:
        # The words with their times would still spell out what was masked; the original is not kept either.
        part["text"] = masked
        part.pop("words", None)
    return _ABSENT


def _walk(item: Any, path: list[Any]) -> Any:
    for step in path:
        item = item.get(step) if isinstance(item, dict) else _item(item, step)
    return item


def _item(items: Any, index: Any) -> Any:
    if isinstance(items, list) and isinstance(index, int) and 0 <= index < len(items):
        return items[index]
    return None


def _pop(items: Any, index: Any) -> Any:
    if isinstance(items, list) and isinstance(index, int) and 0 <= index < len(items):
        return items.pop(index)
    return _ABSENT


_CHANGES: dict[str | None, Callable[[Json, Fault], Any]] = {
    "set_field": _set_field,
    "add_cast": _add_cast,
    "clear_times": _clear_times,
    "mask": _mask,
    "drop_field": _drop_field,
}
_REMOVALS: dict[str | None, Callable[[Json, Fault], Any]] = {
    "drop_part": _drop_part,
    "drop_turn": _drop_turn,
    "drop_dialogue": _drop_dialogue,
}
