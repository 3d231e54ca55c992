"""What a search may vary: ranges of recipe fields, given by name or worked out from the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ruxi.errors import UsageError

if TYPE_CHECKING:
    from optuna import Trial

    from ruxi.training.recipe import Recipe

_RATE_FACTOR = 4.0
"""A rate or weight is searched from a quarter of the recipe's to four times it."""


class SearchRange(BaseModel):
    """Values of one field: a range of numbers, or a list of choices (which may also be written as a plain list)."""

    model_config = ConfigDict(extra="forbid")

    low: int | float | None = Field(None, description="Smallest value; two whole numbers make a range of those.")
    high: int | float | None = Field(None, description="Largest value.")
    log: bool = Field(False, description="Equal ratios are equally likely instead of equal differences.")
    step: int | float | None = Field(None, gt=0, description="Distance of neighbouring values.")
    choices: list[str | int | float | bool | None] | None = Field(None, min_length=2, description="Values as such.")

    @model_validator(mode="before")
    @classmethod
    def _list_is_choices(cls, given: Any) -> Any:
        return {"choices": given} if isinstance(given, list) else given

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("give `low` and `high`, or `choices`")
        if self.low is not None and self.high is not None:
            if self.low >= self.high:
                raise ValueError("`low` must be below `high`")
            if self.log and (self.low <= 0 or self.step is not None):
                raise ValueError("`log` needs a `low` above 0 and no `step`")
        return self

    @property
    def ends(self) -> tuple[Any, Any]:
        """The first and the last value."""
        return (self.low, self.high) if self.choices is None else (self.choices[0], self.choices[-1])

    def suggest(self, trial: Trial, name: str) -> Any:
        """The value of a trial."""
        if self.choices is not None:
            return trial.suggest_categorical(name, self.choices)
        low, high = self.low, self.high
        if isinstance(low, int) and isinstance(high, int) and not isinstance(self.step, float):
            return trial.suggest_int(name, low, high, step=self.step or 1, log=self.log)
        return trial.suggest_float(name, float(low or 0), float(high or 0), step=self.step, log=self.log)


Space = dict[str, SearchRange]
"""Ranges by dotted field, for example `optimiser.learning_rate`."""


def load_space(path: Path) -> Space:
    """Read a search space from YAML.

    Raises:
        UsageError: It cannot be read, or ranges are wrong; all of them are listed.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=str(path), remedy="Name a YAML file.") from error
    except yaml.YAMLError as error:
        raise UsageError(f"not YAML: {error}".replace("\n", " "), where=str(path)) from error
    try:
        return TypeAdapter(Space).validate_python(content)
    except ValidationError as error:
        faults = [f"{fault['loc'][0] if fault['loc'] else 'file'}: {fault['msg']}" for fault in error.errors()]
        listed = "".join(f"\n  - {fault.replace('Value error, ', '')}" for fault in dict.fromkeys(faults))
        raise UsageError(f"{len(faults)} fault(s):{listed}", where=str(path)) from error


def default_space(recipe: Recipe) -> Space:
    """What is worth searching around a recipe: rates, rank, dropouts, and weights of the objectives.

    Only what the recipe uses is varied. Weights are left out when the metric is the weighted loss itself, which they
    would change without anything being learnt.
    """
    optimiser, model = recipe.optimiser, recipe.model
    space: Space = {}
    if model.lora is not None and "lora" not in model.freeze:
        space["optimiser.learning_rate"] = _around(optimiser.learning_rate)
        space["model.lora.rank"] = SearchRange(choices=[4, 8, 16, 32])
        space["model.lora.dropout"] = SearchRange(low=0.0, high=0.2)
    if model.modalities or model.guidance is not None:
        rate = optimiser.fusion_learning_rate or optimiser.learning_rate
        space["optimiser.fusion_learning_rate"] = _around(rate)
        if model.fusion_kind == "cross_attention":
            space["optimiser.gate_learning_rate"] = _around(optimiser.gate_learning_rate or rate)
    if model.modalities:
        space["sequence.modality_dropout"] = SearchRange(low=0.0, high=0.4)
    if recipe.run.measure != "loss":
        for name, weight in recipe.objectives.model_dump().items():
            if weight and name != "reply":
                space[f"objectives.{name}"] = _around(weight)
    if not space:
        space["optimiser.learning_rate"] = _around(optimiser.learning_rate)
    return space


def _around(value: float) -> SearchRange:
    return SearchRange(low=value / _RATE_FACTOR, high=value * _RATE_FACTOR, log=True)
