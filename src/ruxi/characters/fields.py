"""The field types of cards and the base of their objects.

Types are checked strictly, with two exceptions that real cards need: `null` counts as absent, and a number
where text belongs becomes text. Fields that no specification knows are kept.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from ruxi.characters.faults import kind_of, shortened


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"is {kind_of(value)} ({shortened(value)}), not text")
    return value


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"is {kind_of(value)} ({shortened(value)}), not a number")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"is {kind_of(value)} ({shortened(value)}), not true or false")
    return value


def _identifier(value: Any) -> int | float | str:
    return value if isinstance(value, str) else _number(value)


Text = Annotated[str, PlainValidator(_text)]
Number = Annotated[int | float, PlainValidator(_number)]
Flag = Annotated[bool, PlainValidator(_flag)]
Identifier = Annotated[int | float | str, PlainValidator(_identifier)]
Texts = Annotated[list[Text], BeforeValidator(lambda value: [] if value is None else value)]
Extensions = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)]


class CardRecord(BaseModel):
    """Base of a card's objects: unknown fields stay, optional ones are written only where they were given."""

    model_config = ConfigDict(extra="allow", validate_assignment=True)

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        given = self.model_fields_set
        return {key: value for key, value in handler(self).items() if value is not None or key in given}
