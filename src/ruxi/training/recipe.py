"""Recipes: everything that decides a training run, in one commented YAML file.

A recipe is checked as a whole before anything is loaded: every fault is listed at once, with its field and remedy.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from ruxi.errors import RuxiError
from ruxi.training.settings import (
    ChoiceSettings,
    DataSource,
    ModelSettings,
    ObjectiveWeights,
    OptimiserSettings,
    PreferenceSettings,
    RunSettings,
    Section,
    SequenceSettings,
    TeacherSettings,
)
from ruxi.training.space import SearchRange

_NO_BRANCHES = "replies cannot branch off behind media in the sequence; fuse otherwise"


class RecipeError(RuxiError):
    """A recipe cannot work."""

    exit_code = 2


CHOOSING = frozenset({"emotion", "intent", "media_emotion", "contrastive", "preference", "choice"})
"""Objectives that have an accuracy."""


def rises(measure: str) -> bool:
    """Whether a measure gets better by growing: accuracies and margins; all others are losses."""
    return measure.endswith(("_accuracy", "_margin"))


class Recipe(Section):
    """A training run."""

    name: str = Field(pattern=r"^[\w.-]+$", description="Name of the run and of its folder.")
    model: ModelSettings = Field(default_factory=ModelSettings, description="What is trained.")
    data: list[DataSource] = Field(min_length=1, description="The mixture.")
    sequence: SequenceSettings = Field(default_factory=SequenceSettings, description="How dialogues are laid out.")
    objectives: ObjectiveWeights = Field(default_factory=ObjectiveWeights, description="What is learnt.")
    preference: PreferenceSettings = Field(default_factory=PreferenceSettings, description="Of that objective.")
    choice: ChoiceSettings = Field(default_factory=ChoiceSettings, description="Of that objective.")
    teacher: TeacherSettings | None = Field(None, description="Whom the distillation learns from.")
    optimiser: OptimiserSettings = Field(default_factory=OptimiserSettings, description="How it is learnt.")
    run: RunSettings = Field(default_factory=RunSettings, description="How long it is learnt.")
    search: dict[str, SearchRange] = Field(
        default_factory=dict,
        description="What `--search` varies, by dotted field; when empty rates, rank, dropouts and weights.",
    )

    def measures(self) -> list[str]:
        """What its evaluations measure, as `run.metric` and tables name it."""
        names = ["loss"]
        for name, weight in self.objectives.model_dump().items():
            if weight:
                names.append("reply_nats" if name == "reply" else f"{name}_loss")
                names += [f"{name}_accuracy"] if name in CHOOSING else []
        if self.objectives.preference:
            kinds = dict.fromkeys(kind for source in self.data for kind in source.preferences)
            names += ["preference_margin", *(f"preference_{kind}_accuracy" for kind in kinds)]
        return names

    @model_validator(mode="after")
    def _objectives_have_what_they_need(self) -> Self:
        faults = []
        weights = self.objectives
        by_heads = [name for name in ("emotion", "intent", "media_emotion") if getattr(weights, name)]
        if by_heads and self.model.guidance is None and self.model.start_from is None:
            faults += [f"objectives.{name} needs model.guidance; add `guidance: {{}}`" for name in by_heads]
        if weights.media_emotion and not any(self._reads(modality) for modality in self.model.modalities):
            faults.append("objectives.media_emotion needs model.modalities and a fusion")
        if weights.contrastive and self.model.alignment is None and self.model.start_from is None:
            faults.append("objectives.contrastive needs model.alignment; add `alignment: {}`")
        if not any(weights.model_dump().values()):
            faults.append("all objectives have weight 0; give one a weight")
        faults += self._preference_faults() + self._choice_faults() + self._reply_faults() + self._speech_faults()
        if weights.distillation and self.teacher is None:
            faults.append("objectives.distillation needs a teacher; add `teacher: {model: NAME}`")
        if self.teacher is not None and not weights.distillation:
            faults.append("teacher: nobody learns from it; give objectives.distillation a weight or leave it out")
        metric = self.run.measure
        if metric not in self.measures():
            faults.append(f"run.metric: {metric!r} is not measured; known here: {', '.join(self.measures())}")
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _preference_faults(self) -> list[str]:
        faults = []
        making = [(number, source) for number, source in enumerate(self.data) if source.preferences]
        if self.objectives.preference and not making:
            faults.append("objectives.preference needs pairs; add `preferences: [KIND]` to a data set")
        if making and not self.objectives.preference:
            faults.append(
                f"data.{making[0][0]}.preferences: nothing learns from pairs; give objectives.preference a weight"
            )
        for number, source in making:
            if "wrong_picture" in source.preferences and not self._reads("image"):
                faults.append(f"data.{number}.preferences: wrong_picture needs model.modalities.image and a fusion")
        return faults

    def _choice_faults(self) -> list[str]:
        faults = []
        choosing = [number for number, source in enumerate(self.data) if source.choices]
        if self.objectives.choice and not choosing:
            faults.append("objectives.choice needs replies to choose from; add `choices: [other_role]` to a data set")
        if choosing and not self.objectives.choice:
            faults.append(f"data.{choosing[0]}.choices: nobody chooses; give objectives.choice a weight")
        if self.objectives.choice and self.model.fusion_kind == "prefix":
            faults.append(f"objectives.choice: {_NO_BRANCHES}")
        length, needed = self.sequence.length, self.choice.context_tokens
        needed += self.choice.candidates * self.choice.reply_tokens
        if choosing and needed > length:
            faults.append(
                f"choice: context_tokens + candidates * reply_tokens do not fit into sequence.length ({length})"
            )
        return faults

    def _reply_faults(self) -> list[str]:
        """What is wrong with sources that give something else than their plain dialogues."""
        faults = []
        for number, source in enumerate(self.data):
            made = [name for name in ("preferences", "choices", "alternatives") if getattr(source, name)]
            if source.alternatives and self.model.fusion_kind == "prefix":
                faults.append(f"data.{number}.alternatives: {_NO_BRANCHES}")
            if source.speakers in ("none", "transcripts"):
                faults += [
                    f"data.{number}.{name} need somebody's replies; set `speakers: characters` or `all`"
                    for name in made
                ]
            if len(made) > 1 and source.preferences:
                faults.append(f"data.{number}: has {' and '.join(made)}; name the data set twice, once for each")
        return faults

    def _speech_faults(self) -> list[str]:
        faults = []
        if self.objectives.speech_kl:
            if not self._reads("speech"):
                faults.append("objectives.speech_kl needs model.modalities.speech and a fusion")
            if all(source.describe_media == 1 for source in self.data):
                faults.append("objectives.speech_kl needs dialogues without written transcripts; lower describe_media")
        for number, source in enumerate(self.data):
            if source.speakers == "transcripts" and self.objectives.reply and not self._reads("speech"):
                faults.append(f"data.{number}.speakers: transcripts need model.modalities.speech and a fusion")
        return faults

    def _reads(self, modality: str) -> bool:
        """Whether the language model perceives a modality."""
        return modality in self.model.modalities and self.model.fusion_kind != "none"


def load_recipe(path: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        path: The YAML file; relative paths in it are relative to the working folder.
        overrides: Values by dotted field, for example `{"run.steps": 10}`.

    Raises:
        RecipeError: The file cannot be read, or fields are wrong; the message lists all of them.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(
            f"cannot be read ({error.strerror})", where=str(path), remedy="Name a recipe file."
        ) from error
    except yaml.YAMLError as error:
        raise RecipeError(f"not YAML: {error}".replace("\n", " "), where=str(path)) from error
    if not isinstance(content, dict):
        raise RecipeError(
            "is not a list of fields",
            where=str(path),
            remedy="Write `name:`, `data:` and what else differs from the defaults.",
        )
    for field, value in (overrides or {}).items():
        set_field(content, field, value, where=str(path))
    return check_recipe(content, where=str(path))


def check_recipe(content: dict[str, Any], *, where: str = "recipe") -> Recipe:
    """Check the content of a recipe, the sections of the model included.

    Raises:
        RecipeError: Fields are wrong; the message lists all of them.
    """
    faults = []
    recipe = None
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        faults += _faults(error)
        faults += _hidden_faults(content, error, faults)
    model = content.get("model")
    if isinstance(model, dict):
        faults += _model_faults(model)
    if faults or recipe is None:
        listed = "".join(f"\n  - {fault}" for fault in dict.fromkeys(faults))
        raise RecipeError(f"{len(faults)} fault(s):{listed}", where=where)
    return recipe


def _hidden_faults(content: dict[str, Any], error: ValidationError, known: list[str]) -> list[str]:
    """What only shows once the wrong fields have their defaults: sections that do not fit together."""
    rest = copy.deepcopy(content)
    wrong = [fault["loc"] for fault in error.errors()]
    for location in wrong:
        _remove(rest, location)
    try:
        Recipe.model_validate(rest)
    except ValidationError as second:
        # A fault that comes from a default in the place of a wrong value would mislead.
        named = {str(piece) for location in wrong for piece in location[-1:]} | {"at least 1 item"}
        found = [fault for fault in _faults(second) if fault not in known]
        return [fault for fault in found if not any(name in fault for name in named)]
    return []


def _remove(content: Any, location: tuple[int | str, ...]) -> None:
    """Take one field out, if it is there."""
    *path, last = location or ("",)
    for piece in path:
        try:
            content = content[piece]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(content, dict):
        content.pop(last, None)


def _model_faults(model: dict[str, Any]) -> list[str]:
    """Faults in the parts that the model room defines."""
    from ruxi.model import config

    sections: dict[str, type[BaseModel]] = {
        "resampler": config.ResamplerSettings,
        "fusion": config.FusionSettings,
        "guidance": config.GuidanceSettings,
        "alignment": config.AlignmentSettings,
        "lora": config.LoraSettings,
    }
    checks = [(name, kind, model[name]) for name, kind in sections.items() if isinstance(model.get(name), dict)]
    modalities = model.get("modalities")
    if isinstance(modalities, dict):
        checks += [(f"modalities.{name}", config.ModalitySettings, value) for name, value in modalities.items()]
    faults = []
    for name, kind, value in checks:
        try:
            kind.model_validate(value)
        except ValidationError as error:
            faults += _faults(error, f"model.{name}")
    return faults


def _faults(error: ValidationError, prefix: str = "") -> list[str]:
    found = []
    for fault in error.errors():
        field = ".".join(str(piece) for piece in (*((prefix,) if prefix else ()), *fault["loc"]))
        message = fault["msg"].removeprefix("Value error, ")
        value = fault["input"]
        shown = f" (is {value!r})" if isinstance(value, str | int | float) and fault["type"] != "missing" else ""
        found += [f"{field}: {message}{shown}"] if field else message.split("\n")
    return found


def set_field(content: dict[str, Any], field: str, value: Any, *, where: str) -> None:
    """Set one value of a recipe's content in place.

    Args:
        content: What the YAML file holds.
        field: Dotted field, with numbers for the items of lists (`data.0.weight`); missing sections are made.
        value: Its value.
        where: For the error.

    Raises:
        RecipeError: The field lies within something that is no section.
    """
    *path, last = field.split(".")
    section: Any = content
    for name in path:
        if isinstance(section, dict):
            section = section.setdefault(name, {})
        elif isinstance(section, list) and name.isdecimal() and int(name) < len(section):
            section = section[int(name)]
        else:
            section = None
    if not isinstance(section, dict):
        raise RecipeError(f"{field!r} does not lead to a field", where=where)
    section[last] = value
