"""Exporting a model as a bundle, the folder of graphs that the fast engine runs.

The folder appears whole or not at all. What it holds is told in `ruxi.runtime.onnx.bundle`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ruxi import files
from ruxi.errors import UsageError
from ruxi.runtime.onnx import bundle as contract
from ruxi.runtime.onnx.bundle import Bundle, BundleConfig, Precision, is_bundle

if TYPE_CHECKING:
    from ruxi.compress.decoder import Precisions
    from ruxi.compress.fusion import DecoderFusion
    from ruxi.compress.graph import Graph
    from ruxi.compress.language_model import LanguageModel
    from ruxi.runtime.torch_engine import TorchEngine

Progress = Callable[[str, int, int], None]
"""Told what is being written, how many steps of it are done, and how many there are."""

_SEES_WITH = {"efficientnet-lite0", "video"}
"""Extractors that look with EfficientNet-Lite0."""


def export(
    name: str,
    folder: str | Path,
    precision: Precision = "auto",
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> Bundle:
    """Export a model by its name.

    Args:
        name: `ruxi-mini`, the folder of an adapter, the folder of a language model, or a Hugging Face id.
        folder: Where the bundle goes.
        precision: Of the decoder's weights; `auto` is the smallest whose loss in likelihood is small.
        replace: Whether a bundle that is there already may be replaced.
        progress: Told how far it is.

    Raises:
        UsageError: The name or the precision is unknown, the model is exported already, or the folder is taken.
        ModelError: The model cannot be loaded, or is built in a way that has no graph.
        WeightsError: A pretrained part is missing.
    """
    folder = Path(folder)
    if precision not in get_args(Precision):
        raise UsageError(
            f"no precision is called {precision!r}",
            where="precision",
            remedy=f"Known: {', '.join(get_args(Precision))}.",
        )
    if is_bundle(name):
        raise UsageError("is exported already", where=name, remedy="Name the model that it was made of.")
    check_folder(folder, replace=replace)
    from ruxi.runtime.torch_loading import open_torch

    return export_engine(open_torch(name, dtype="float32"), folder, precision, replace=replace, progress=progress)


def export_engine(
    engine: TorchEngine,
    folder: Path,
    precision: Precision = "auto",
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> Bundle:
    """Export what a torch engine speaks with; see `export`.

    Args:
        engine: The engine; its model is in float32.
        folder: Where the bundle goes.
        precision: See `export`.
        replace: See `export`.
        progress: See `export`.
    """
    check_folder(folder, replace=replace)
    with files.new_folder(folder) as staging:
        _write(engine, staging, precision, progress or (lambda what, done, total: None))
    return Bundle.open(folder)


def check_folder(folder: Path, *, replace: bool) -> None:
    """Raise unless a bundle may be written there.

    Raises:
        UsageError: The folder is taken.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not is_bundle(folder):
        raise UsageError("exists and holds something else", where=str(folder), remedy="Name a new folder.")
    if not replace:
        raise UsageError("holds a bundle already", where=str(folder), remedy="Name a new folder, or give --replace.")


def _write(engine: TorchEngine, folder: Path, precision: Precision, progress: Progress) -> None:
    from ruxi.compress.card import card
    from ruxi.compress.decoder import build_decoder
    from ruxi.compress.graph import Graph, WeightFile
    from ruxi.compress.guidance import build_guidance, build_persona
    from ruxi.compress.language_model import LanguageModel
    from ruxi.compress.media import build_media
    from ruxi.compress.precision import precisions_of

    model, prefix = engine.model, engine.model.is_prefix
    language_model = LanguageModel(model)
    precisions = precisions_of(precision, model, engine.tokenizer, progress)
    with files.writing(folder / contract.DECODER_DATA) as data:
        weights = WeightFile(data, contract.DECODER_DATA)
        decoder = Graph("decoder", weights)
        fusion = _decoder_fusion(engine, language_model, precisions)
        build_decoder(decoder, language_model, precisions, fusion=fusion, prefix=prefix, progress=progress)
        graphs: dict[str, Graph] = {contract.DECODER: decoder}
        if model.guidance is not None:
            graphs[contract.PERSONA] = persona = Graph("persona", weights)
            build_persona(persona, language_model, precisions)
            graphs[contract.GUIDANCE] = guidance = Graph("guidance")
            build_guidance(guidance, model)
    modalities = model.config.modality_settings
    if engine.uses_media:
        for stream in modalities:
            graphs[contract.media_graph(stream)] = media = Graph(f"media_{stream}")
            build_media(media, model, stream)
    sees = any(settings.extractor in _SEES_WITH for settings in modalities.values())
    if sees:
        from ruxi.compress.image import build_image

        graphs[contract.IMAGE] = image = Graph("image")
        build_image(image)
    for index, (name, graph) in enumerate(graphs.items()):
        graph.save(folder / name)
        progress("graphs", index + 1, len(graphs))
    files.write_text(folder / contract.TOKENIZER, engine.tokenizer.to_str())
    config = _config(engine, language_model, precision, precisions, sees=sees)
    names = [contract.DECODER_DATA, contract.TOKENIZER, *graphs]
    digests = {name: files.sha256_of(folder / name) for name in sorted(names)}
    config = config.model_copy(update={"files": digests})
    files.write_text(folder / contract.CARD, card(config, folder))
    files.write_text(folder / contract.CONFIG, config.model_dump_json(indent=2))


def _decoder_fusion(engine: TorchEngine, language_model: LanguageModel, precisions: Precisions) -> DecoderFusion | None:
    """The blocks whose gates are open; a closed one adds nothing."""
    from ruxi.compress.fusion import Block, DecoderFusion
    from ruxi.compress.graph import weights_of

    model = engine.model
    if model.is_prefix or not engine.uses_media:
        return None
    gates = {layer: gate for layer, gate in model.fusion.gates().items() if gate}
    settings, shared = model.config.fusion_settings, model.fusion.query
    blocks = {}
    for layer, gate in gates.items():
        block: Any = model.fusion.blocks[str(layer)]
        state = weights_of(block.state_dict())
        query = state["query.weight"] if shared is None else weights_of(shared.state_dict())["weight"]
        blocks[layer] = Block(state["norm.weight"], query, state["mix.weight"] * gate, block.key_value_set)
    projection: Any = next(iter(model.fusion.key_value.values()))
    return DecoderFusion(
        blocks,
        width=language_model.width,
        streams=len(model.config.streams),
        heads=settings.heads,
        head_width=settings.head_width,
        sets=projection.sets,
        precision=precisions.fusion,
    )


def _config(
    engine: TorchEngine, language_model: LanguageModel, precision: Precision, precisions: Precisions, *, sees: bool
) -> BundleConfig:
    model, source = engine.model, engine.model.config
    fusion, guidance, alignment = source.fusion_settings, source.guidance_settings, source.alignment_settings
    if model.is_prefix:
        kind: Literal["cross_attention", "prefix", "none"] = "prefix"
    else:
        kind = "cross_attention" if engine.uses_media else "none"
    projections: list[Any] = list(model.fusion.key_value.values())
    return BundleConfig(
        name=engine.name,
        base_model=source.base_model,
        base_digest=source.base_digest,
        precision=precision,
        bits=precisions.bits(),
        shape=contract.Shape(
            layers=language_model.layers,
            width=language_model.width,
            kv_heads=language_model.kv_heads,
            head_width=language_model.head_width,
            vocabulary=len(language_model.head),
            positions=language_model.positions,
        ),
        fusion=contract.FusionShape(
            kind=kind,
            streams=source.streams if engine.uses_media else (),
            sets=projections[0].sets if projections else 1,
            heads=fusion.heads,
            head_width=fusion.head_width,
        ),
        modalities={
            stream: contract.Modality(extractor=m.extractor, width=m.width, tokens=m.tokens)
            for stream, m in source.modality_settings.items()
        },
        guidance=None if guidance is None else contract.Labels(emotions=guidance.emotions, intents=guidance.intents),
        alignment=None
        if alignment is None or not engine.uses_media
        else contract.SharedSpace(extractor=alignment.extractor, width=alignment.width),
        image_encoder="efficientnet-lite0" if sees else None,
        end_ids=tuple(sorted(engine.end_ids)),
        chat_format=engine.prompts.chat_format,
    )
