"""A reward model of our own: a ridge regression on what the default model makes of a reply.

It is distilled from answers that a strong judge has scored beside the true replies (`ruxi data import mmrole-reviews`):
what it predicts is the judge's ratio, from the model's mean state over the reply's tokens and the mean and spread of
their log-likelihood. The reply's length is kept from it, because published judges follow length; how far it follows
length all the same is measured, on models and roles that it has not seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from ruxi import files
from ruxi.errors import DataError, EngineError, ModelError
from ruxi.evaluation.replies import before_reply
from ruxi.evaluation.statistics import partial_spearman, spearman
from ruxi.evaluation.task import Item, TaskOptions

if TYPE_CHECKING:
    from ruxi.evaluation.data import EvaluationData
    from ruxi.evaluation.player import Player

Floats = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]

WEIGHTS_FILE, CONFIG_FILE = "reward.safetensors", "reward.json"
_PENALTIES = tuple(float(value) for value in np.logspace(1, 5, 9))
_FOLDS = 5


@dataclass(frozen=True)
class RewardSettings:
    """How replies are read.

    Attributes:
        context_tokens: Longest prompt before the reply.
        persona_tokens: Longest persona.
        reply_tokens: Tokens of the reply that are read.
    """

    context_tokens: int = 512
    persona_tokens: int = 192
    reply_tokens: int = 200


@dataclass(frozen=True, eq=False)
class RewardModel:
    """Predicts how a judge would score a reply, as a ratio to the true one's score.

    Attributes:
        weights: One a feature, `[d + 2]`.
        centre: Mean of each feature in training.
        scale: Standard deviation of each.
        bias: Mean ratio in training.
        base_digest: SHA-256 that identifies the base model whose states it reads.
        settings: How replies are read.
        report: How well it does on what it has not seen.
    """

    weights: Floats
    centre: Floats
    scale: Floats
    bias: float
    base_digest: str | None
    settings: RewardSettings
    report: Mapping[str, Any]

    def predict(self, features: Floats) -> Floats:
        """Rewards `[n]` of features `[n, d + 2]`."""
        rewards: Floats = (features - self.centre) / self.scale @ self.weights + self.bias
        return rewards

    def save(self, folder: Path) -> None:
        """Write the two files of a reward model."""
        from safetensors.numpy import save

        tensors = {"weights": self.weights, "centre": self.centre, "scale": self.scale}
        rounded = {name: values.astype(np.float32) for name, values in tensors.items()}
        config = {"bias": self.bias, "base_digest": self.base_digest, "settings": asdict(self.settings)}
        files.write_bytes(folder / WEIGHTS_FILE, save(rounded))
        files.write_text(folder / CONFIG_FILE, json.dumps({**config, "report": self.report}, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a reward model.

        Raises:
            ModelError: A file is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            config = json.loads((folder / CONFIG_FILE).read_bytes())
            tensors = {name: values.astype(np.float64) for name, values in load_file(folder / WEIGHTS_FILE).items()}
            return cls(
                tensors["weights"],
                tensors["centre"],
                tensors["scale"],
                float(config["bias"]),
                config["base_digest"],
                RewardSettings(**config["settings"]),
                config["report"],
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise ModelError(
                f"is no reward model ({error})", where=str(folder), remedy="Make one with `ruxi reward`."
            ) from None


def reply_features(
    items: Sequence[Item],
    texts: Sequence[str],
    player: Player,
    data: EvaluationData,
    settings: RewardSettings,
    progress: Progress = lambda done, total: None,
) -> Floats:
    """What a model makes of replies.

    Args:
        items: What each reply answers; those of one dialogue share its reading.
        texts: The replies.
        player: The model; one of the torch engine.
        data: Where the media are.
        settings: How replies are read.
        progress: Is told how far it is.

    Returns:
        Mean state, mean and spread of the log-likelihood, `[n, d + 2]`.

    Raises:
        EngineError: The engine does not give states.
    """
    read = getattr(player.engine, "read_replies", None)
    if read is None:
        raise EngineError("gives no states of replies", where=player.engine.name, remedy="Use the torch engine.")
    options = TaskOptions(context_tokens=settings.context_tokens, persona_tokens=settings.persona_tokens)
    groups: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        key = before_reply(item).model_dump_json(exclude={"id"}) + item.speaker
        groups.setdefault(key, []).append(index)
    rows: dict[int, Floats] = {}
    for members in groups.values():
        item = items[members[0]]
        context = player.prompt(item.character, before_reply(item), item.speaker, options, data.media)
        prompts = [player.answered(context, texts[index], settings.reply_tokens) for index in members]
        for index, found in zip(members, read(prompts, player.features(prompts, data.media)), strict=True):
            spread = [float(found.scores.mean()), float(found.scores.std())]
            rows[index] = np.concatenate([found.state.astype(np.float64), spread])
        progress(len(rows), len(items))
    return np.stack([rows[index] for index in range(len(items))])


def fit_reward(features: Floats, ratios: Floats) -> tuple[Floats, Floats, Floats, float]:
    """Ridge regression, its penalty chosen by leave-one-out: weights, centre, scale, bias."""
    from sklearn.linear_model import RidgeCV

    centre, scale = features.mean(axis=0), features.std(axis=0) + 1e-8
    model = RidgeCV(alphas=_PENALTIES).fit((features - centre) / scale, ratios)
    return np.asarray(model.coef_, dtype=np.float64), centre, scale, float(model.intercept_)


def held_out_report(features: Floats, items: Sequence[Item]) -> dict[str, Any]:
    """Rank correlations on unseen systems, unseen roles, and both at once, beside those of length.

    Args:
        features: From `reply_features`.
        items: Scored answers, from `ruxi.evaluation.tasks.judge_agreement.scored_answers`.

    Raises:
        DataError: There are fewer than two systems, or fewer roles than folds.
    """
    ratios = np.array([item.facts["published"] for item in items])
    systems = np.array([item.facts["system"] for item in items])
    lengths = np.array([len(item.candidates[0]) for item in items], dtype=np.float64)
    relative = lengths / np.array([max(len(item.facts["reference"]), 1) for item in items])
    roles = sorted({item.speaker for item in items})
    if len(set(systems)) < 2 or len(roles) < _FOLDS:
        raise DataError(f"a reward model needs answers of two systems and {_FOLDS} roles at least")
    order = np.random.default_rng(0).permutation(len(roles))
    fold_of = {role: int(place) % _FOLDS for role, place in zip(roles, order, strict=True)}
    folds = np.array([fold_of[item.speaker] for item in items])
    unseen: dict[str, list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]] = {
        "unseen systems": [(systems != system, systems == system) for system in sorted(set(systems))],
        "unseen roles": [(folds != fold, folds == fold) for fold in range(_FOLDS)],
    }
    unseen["unseen systems and roles"] = [
        (known_systems & known_roles, asked_system & asked_roles)
        for known_systems, asked_system in unseen["unseen systems"]
        for known_roles, asked_roles in unseen["unseen roles"]
    ]
    report: dict[str, Any] = {
        "answers": len(items),
        "length": {"answers": round(spearman(list(lengths), list(ratios)), 4)},
        "length over the true reply's": {"answers": round(spearman(list(relative), list(ratios)), 4)},
    }
    for name, divisions in unseen.items():
        predicted = np.zeros(len(items))
        for known, asked in divisions:
            if asked.any():
                weights, centre, scale, bias = fit_reward(features[known], ratios[known])
                predicted[asked] = (features[asked] - centre) / scale @ weights + bias
        report[name] = {
            "answers": round(spearman(list(predicted), list(ratios)), 4),
            "answers, length held fixed": round(partial_spearman(list(predicted), list(ratios), list(lengths)), 4),
            "correlation with length": round(spearman(list(predicted), list(lengths)), 4),
        }
    report["beats length"] = all(report[name]["answers"] > report["length"]["answers"] for name in unseen)
    return report


def train_reward(
    items: Sequence[Item],
    player: Player,
    data: EvaluationData,
    base_digest: str | None,
    *,
    cache: Path | None = None,
    settings: RewardSettings | None = None,
    progress: Progress = lambda done, total: None,
) -> RewardModel:
    """Make a reward model of scored answers.

    Args:
        items: The answers.
        player: The base model.
        data: Where the answers come from.
        base_digest: What identifies the base model.
        cache: Folder that keeps the features.
        settings: How replies are read.
        progress: Is told how far it is.
    """
    settings = settings or RewardSettings()
    name = files.sha256_of_bytes(
        json.dumps([data.digest, base_digest, asdict(settings), [item.id for item in items]]).encode()
    )
    path = None if cache is None else cache / f"features-{name[:16]}.npy"
    if path is not None and path.is_file():
        features = np.load(path, allow_pickle=False).astype(np.float64)
    else:
        features = reply_features(items, [item.candidates[0] for item in items], player, data, settings, progress)
        if path is not None:
            with files.writing(path) as file:
                np.save(file, features.astype(np.float32))
    report = held_out_report(features, items)
    ratios = np.array([item.facts["published"] for item in items])
    weights, centre, scale, bias = fit_reward(features, ratios)
    return RewardModel(weights, centre, scale, bias, base_digest, settings, report)
