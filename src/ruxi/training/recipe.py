"""Recipes: everything that decides a training run, in one commented YAML file.

A recipe is checked as a whole before anything is loaded: every fault is listed at once, with its field and remedy.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ruxi.errors import RuxiError
from ruxi.training.space import SearchRange


class RecipeError(RuxiError):
    """A recipe cannot work."""

    exit_code = 2


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


PairKind = Literal["rated", "compared", "out_of_character", "speaks_for_user", "wrong_picture"]
"""Kinds of reply pairs, see `ruxi.training.pairs`."""

ChoiceKind = Literal["other_role", "same_role"]
"""Whose words the wrong replies are, see `ruxi.training.choices`."""


class DataSource(_Section):
    """One data set in the mixture."""

    path: Path = Field(description="Folder of a data set, as `ruxi data import` writes it.")
    weight: float = Field(1.0, ge=0, description="How often its dialogues are seen, relative to once an epoch.")
    limit: int | None = Field(
        None, gt=0, description="Take this many dialogues of each split at most, drawn by their ids."
    )
    with_media: bool = Field(False, description="Take dialogues only in which a picture, sound or video is there.")
    speakers: Literal["characters", "all", "none", "transcripts"] = Field(
        "characters",
        description="Whose words are learnt: those of cast members of kind `character`, everybody's, nobody's "
        "(then only labels are), or those of a listener who writes down what is said in each sound.",
    )
    describe_media: float = Field(
        0.5, ge=0, le=1, description="Share of dialogues whose labels and transcripts stand in the text as well."
    )
    languages: list[str] | None = Field(None, description="Take dialogues in these languages only.")
    preferences: list[PairKind] = Field(
        default_factory=list,
        description="Make pairs of a better and a worse reply instead: `rated`, `compared` (preferences.jsonl), "
        "`out_of_character`, `speaks_for_user`, `wrong_picture`.",
    )
    choices: list[ChoiceKind] = Field(
        default_factory=list,
        description="Put one reply of each dialogue among wrong ones instead: words of an `other_role`, or of the "
        "`same_role` in other dialogues, in turn.",
    )


class SequenceSettings(_Section):
    """How dialogues become sequences."""

    length: int = Field(1024, ge=64, description="Tokens in one packed row.")
    persona_tokens: int | None = Field(256, gt=0, description="Longest persona; longer ones are cut.")
    rows: int = Field(1, gt=0, description="Packed rows in one batch.")
    modality_dropout: float = Field(0.1, ge=0, lt=1, description="Share of media that are hidden while training.")


class ObjectiveWeights(_Section):
    """Weights of the losses; 0 leaves one out."""

    reply: float = Field(1.0, ge=0, description="Likelihood of the character's words.")
    emotion: float = Field(0.0, ge=0, description="Emotion at the end of a turn, by the guidance's head.")
    intent: float = Field(0.0, ge=0, description="Intent at the end of a turn, by the guidance's head.")
    contrastive: float = Field(0.0, ge=0, description="InfoNCE between media and what is said about them.")
    speech_kl: float = Field(
        0.0, ge=0, description="Answer to speech as to its transcript: KL to the model's own distribution."
    )
    preference: float = Field(0.0, ge=0, description="DPO on pairs of replies; sources name their `preferences`.")
    choice: float = Field(
        0.0,
        ge=0,
        description="The true reply among others, by what the dialogue makes likelier; sources name `choices`.",
    )
    distillation: float = Field(0.0, ge=0, description="KL to the teacher's distribution on the character's tokens.")


class PreferenceSettings(_Section):
    """Direct preference optimisation."""

    beta: float = Field(0.1, gt=0, description="How strongly the model is held to the reference.")
    reference: Literal["start", "base"] = Field(
        "start", description="The model as it starts, or the base model with everything around it switched off."
    )


class ChoiceSettings(_Section):
    """Choosing the true reply among others."""

    candidates: int = Field(8, ge=2, description="Replies to choose from, the true one among them.")
    reply_tokens: int = Field(48, gt=0, description="Tokens of each that are scored; longer ones are cut.")
    context_tokens: int = Field(384, ge=32, description="Tokens of persona and dialogue before them.")
    temperature: float = Field(1.0, gt=0, description="Above 1 a clear choice still teaches.")


class TeacherSettings(_Section):
    """A local model whose distribution is learnt."""

    model: str = Field(description="Adapter folder, pinned part, folder or Hugging Face id, with the same tokenizer.")
    temperature: float = Field(1.0, gt=0, description="Above 1 the tokens that it finds unlikely count for more.")


class OptimiserSettings(_Section):
    """AdamW and its schedule."""

    learning_rate: float = Field(2e-4, gt=0, description="Peak rate of the language model's LoRA.")
    fusion_learning_rate: float | None = Field(
        None, gt=0, description="Peak rate of resamplers, fusion, heads; by default that of the LoRA."
    )
    gate_learning_rate: float | None = Field(
        None, gt=0, description="Peak rate of the fusion gates; by default that of the fusion."
    )
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = Field("cosine", description="Shape after warm-up.")
    warmup: float = Field(0.03, ge=0, lt=1, description="Share of the steps that warm up.")
    weight_decay: float = Field(0.01, ge=0, description="Decoupled weight decay; norms, biases, gates have none.")
    clip: float = Field(1.0, gt=0, description="Largest gradient norm.")
    accumulation: int = Field(1, gt=0, description="Batches whose gradients are added before a step.")


class RunSettings(_Section):
    """How long, how often, when to stop."""

    epochs: float = Field(1.0, gt=0, description="Passes over the mixture; ignored where `steps` is given.")
    steps: int | None = Field(None, gt=0, description="Optimiser steps.")
    evaluate_every: int = Field(200, gt=0, description="Steps between evaluations; a checkpoint is kept with each.")
    evaluation_limit: int = Field(200, gt=0, description="Dialogues in an evaluation at most.")
    patience: int | None = Field(5, gt=0, description="Evaluations without a better metric before stopping.")
    metric: str = Field("loss", description="What early stopping and the best checkpoint go by, e.g. `reply_nats`.")
    log_every: int = Field(10, gt=0, description="Steps between log lines.")
    seed: int = Field(1, ge=0, description="Seeds order, dropout and new weights.")
    precision: Literal["auto", "bfloat16", "float32"] = Field("auto", description="Arithmetic of the forward pass.")
    example_prompts: int = Field(2, ge=0, description="Validation dialogues whose replies are shown in TensorBoard.")

    @property
    def measure(self) -> str:
        """The metric without the prefix that the Trainer gives it."""
        return self.metric.removeprefix("eval_")


class ModelSettings(_Section):
    """What is trained around which base model; see `ruxi.model.config` for the fields of each part."""

    base: str = Field("smollm2-135m-instruct", description="Pinned part, folder, or Hugging Face id.")
    start_from: Path | None = Field(None, description="Adapter folder to go on from; its parts that fit are taken.")
    modalities: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Streams of media.")
    resampler: dict[str, Any] = Field(default_factory=dict, description="Perceiver resampler.")
    fusion: dict[str, Any] = Field(default_factory=dict, description="How media meet the text.")
    guidance: dict[str, Any] | None = Field(None, description="Intent and emotion heads, guidance tokens.")
    alignment: dict[str, Any] | None = Field(None, description="Space shared by media and sentences.")
    lora: dict[str, Any] | None = Field(None, description="Low-rank adapters in the language model.")
    freeze: list[str] = Field(
        default_factory=list,
        description="Adapter parts that stay as they are: lora, resamplers, fusion, guidance, alignment.",
    )

    @model_validator(mode="after")
    def _parts_are_known(self) -> Self:
        known = {"lora", "resamplers", "fusion", "guidance", "alignment"}
        wrong = sorted(set(self.freeze) - known)
        if wrong:
            raise ValueError(f"'freeze' names {', '.join(wrong)}; known: {', '.join(sorted(known))}")
        return self


CHOOSING = frozenset({"emotion", "intent", "contrastive", "preference", "choice"})
"""Objectives that have an accuracy."""


def rises(measure: str) -> bool:
    """Whether a measure gets better by growing: accuracies and margins; all others are losses."""
    return measure.endswith(("_accuracy", "_margin"))


class Recipe(_Section):
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
        if (weights.emotion or weights.intent) and self.model.guidance is None and self.model.start_from is None:
            faults.append("objectives.emotion and objectives.intent need model.guidance; add `guidance: {}`")
        if weights.contrastive and self.model.alignment is None and self.model.start_from is None:
            faults.append("objectives.contrastive needs model.alignment; add `alignment: {}`")
        if not any(weights.model_dump().values()):
            faults.append("all objectives have weight 0; give one a weight")
        faults += self._preference_faults() + self._choice_faults() + self._speech_faults()
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
            if source.speakers in ("none", "transcripts"):
                faults.append(f"data.{number}.preferences need somebody's replies; set `speakers: characters` or `all`")
            if "wrong_picture" in source.preferences and not self._reads("image"):
                faults.append(f"data.{number}.preferences: wrong_picture needs model.modalities.image and a fusion")
        return faults

    def _choice_faults(self) -> list[str]:
        faults = []
        choosing = [(number, source) for number, source in enumerate(self.data) if source.choices]
        if self.objectives.choice and not choosing:
            faults.append("objectives.choice needs replies to choose from; add `choices: [other_role]` to a data set")
        if choosing and not self.objectives.choice:
            faults.append(f"data.{choosing[0][0]}.choices: nobody chooses; give objectives.choice a weight")
        if self.objectives.choice and self.model.fusion.get("kind") == "prefix":
            faults.append("objectives.choice: replies cannot branch off behind media in the sequence; fuse otherwise")
        if choosing and self.choice.context_tokens + self.choice.candidates * self.choice.reply_tokens > (
            length := self.sequence.length
        ):
            faults.append(
                f"choice: context_tokens + candidates * reply_tokens do not fit into sequence.length ({length})"
            )
        for number, source in choosing:
            if source.speakers in ("none", "transcripts"):
                faults.append(f"data.{number}.choices need somebody's replies; set `speakers: characters` or `all`")
            if source.preferences:
                faults.append(f"data.{number}: has preferences and choices; name the data set twice, once for each")
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
        return modality in self.model.modalities and self.model.fusion.get("kind") != "none"


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
