"""`ruxi data annotate`: transcripts, languages, picture labels, intents and emotions by machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruxi.cli.data import AsJson, resumable
from ruxi.cli.remote_calls import agree
from ruxi.errors import UsageError

if TYPE_CHECKING:
    from ruxi.dialogues.annotation import Annotator, SetAnnotator
    from ruxi.dialogues.annotation.remote import RemoteAnnotator
    from ruxi.dialogues.annotation.types import Field
    from ruxi.features import Extractor, FeatureSequence
    from ruxi.media import Medium

_FIELDS = "transcript,labels,language,intent,emotion"


def annotate(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="Folder of a data set.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the annotated data set.")],
    fields: Annotated[str, typer.Option(help="What to annotate, separated by commas.")] = _FIELDS,
    train_on: Annotated[
        Path | None, typer.Option(metavar="SET", help="Learn emotions and intents from this labelled set.")
    ] = None,
    embed: Annotated[bool, typer.Option("--embed", help="Learn from sentence embeddings as well.")] = False,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Ask an OpenAI-compatible server instead, e.g. http://localhost:8000/v1."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of the server's model.")] = None,
    key_env: Annotated[str, typer.Option(help="Environment variable that holds the server's key.")] = "OPENAI_API_KEY",
    price_in: Annotated[float | None, typer.Option(help="Price of a million tokens sent.")] = None,
    price_out: Annotated[float | None, typer.Option(help="Price of a million tokens received.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Call the server without asking.")] = False,
    least: Annotated[
        float, typer.Option(min=0, max=1, help="Confidence from which a label becomes the turn's own.")
    ] = 0.4,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also replace labels that stand there.")] = False,
    cache: Annotated[Path | None, typer.Option(metavar="FILE", help="Where answers are kept.")] = None,
    as_json: AsJson = False,
) -> None:
    """Label a data set by machine; each label keeps its source and confidence. Start again after a stop to go on."""
    from ruxi import weights
    from ruxi.dialogues.annotation import AnswerCache, SetAnnotator
    from ruxi.dialogues.store import DialogueSet

    wanted = _wanted(fields)
    if (url is None) != (model is None):
        raise UsageError("a server needs --url and --model", remedy="Give both.")
    remote = _remote(url, model, key_env, wanted) if url and model else []
    local = _local(wanted - {field for one in remote for field in one.fields}, train_on, embed)
    answers = AnswerCache(cache or weights.home() / "annotations.sqlite")
    try:
        annotator = SetAnnotator(DialogueSet.open(folder), [*local, *remote], answers, least=least, overwrite=overwrite)
        _confirm(annotator, remote, (price_in, price_out), yes=yes, as_json=as_json)
        with resumable(f"annotate {folder}", hidden=as_json) as count:
            report = annotator.run(out, count)
    finally:
        answers.close()
    if as_json:
        typer.echo(json.dumps(report.summary(), ensure_ascii=False))
    else:
        _print(report.summary(), out)


def _wanted(fields: str) -> set[Field]:
    from ruxi.dialogues.annotation import FIELDS

    names = {name.strip() for name in fields.split(",") if name.strip()}
    if not names or names - set(FIELDS):
        unknown = ", ".join(sorted(names - set(FIELDS))) or "nothing"
        raise UsageError(f"cannot annotate {unknown}", where="--fields", remedy=f"Known: {', '.join(FIELDS)}.")
    return {field for field in FIELDS if field in names}


def _local(wanted: set[Field], train_on: Path | None, embed: bool) -> list[Annotator]:
    from ruxi.dialogues.annotation import (
        ClassifierAnnotator,
        EmotionRules,
        ExtractorAnnotator,
        IntentRules,
        LanguageAnnotator,
    )
    from ruxi.dialogues.store import DialogueSet

    made: list[Annotator] = []
    if wanted & {"transcript", "labels"}:
        from ruxi.features import load_extractor

        made += [
            ExtractorAnnotator(_Cached(load_extractor(name)))
            for field, name in (("transcript", "whisper-base"), ("labels", "efficientnet-lite0"))
            if field in wanted
        ]
    if "language" in wanted:
        made.append(LanguageAnnotator())
    embedder = None
    if train_on is not None and embed:
        from ruxi.features import load_embedder

        embedder = load_embedder()
    if "intent" in wanted:
        known = ClassifierAnnotator("intent", DialogueSet.open(train_on), embedder) if train_on else IntentRules()
        made.append(known)
    if "emotion" in wanted:
        learnt = ClassifierAnnotator("emotion", DialogueSet.open(train_on), embedder) if train_on else EmotionRules()
        made.append(learnt)
    return made


class _Cached:
    """An extractor whose features are kept for training, too."""

    def __init__(self, extractor: Extractor) -> None:
        from ruxi.features import FeatureCache

        self._extractor = extractor
        self._cache = FeatureCache()
        self.name, self.version, self.modality = extractor.name, extractor.version, extractor.modality

    def extract(self, medium: Medium) -> FeatureSequence:
        return self._cache.extract(self._extractor, medium)


def _remote(url: str, model: str, key_env: str, wanted: set[Field]) -> list[RemoteAnnotator]:
    from ruxi.dialogues.annotation.remote import RemoteAnnotator

    key = os.environ.get(key_env) or None
    turns: set[Field] = wanted & {"emotion", "intent", "language"}
    made = [RemoteAnnotator(url, model, {"labels"}, key=key)] if "labels" in wanted else []
    return [*made, RemoteAnnotator(url, model, turns, key=key)] if turns else made


def _confirm(
    annotator: SetAnnotator,
    remote: list[RemoteAnnotator],
    prices: tuple[float | None, float | None],
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Say what remote calls may cost, and ask."""
    for one in remote:
        estimate = one.estimate((target.item for target in annotator.open_questions(one)), *prices)
        if estimate.items:
            what = f"{estimate.items:,} items in {estimate.calls:,} requests"
            agree(one.name, what, estimate, yes=yes, as_json=as_json)


def _print(summary: dict[str, Any], out: Path) -> None:
    typer.echo(f"{out}: {summary['dialogues']:,} dialogues")
    for name in summary["asked"] | summary["cached"]:
        typer.echo(
            f"  {name}: {summary['asked'].get(name, 0):,} asked, {summary['cached'].get(name, 0):,} known,"
            f" {summary['unanswered'].get(name, 0):,} without an answer,"
            f" {summary['set_fields'].get(name, 0):,} fields filled in"
        )
