"""The model card of a bundle."""

from __future__ import annotations

from pathlib import Path

from ruxi import __version__
from ruxi.runtime.onnx.bundle import DECODER_DATA, BundleConfig


def card(config: BundleConfig, folder: Path) -> str:
    """Markdown with the front matter of the Hugging Face hub.

    Args:
        config: The bundle's configuration.
        folder: Where its files are, for their sizes.
    """
    megabytes = {name: (folder / name).stat().st_size / 1e6 for name in config.files}
    kind = {
        "cross_attention": "fused by cross-attention inside the decoder",
        "prefix": "tokens before the text of their turn",
        "none": "named to the language model in words alone, for this model has no trained fusion",
    }[config.fusion.kind]
    bits = ", ".join(f"{part} {count}" for part, count in config.bits.items())
    streams = [f"| {name} | {modality.extractor} | {modality.tokens} |" for name, modality in config.modalities.items()]
    heads = (
        f"It perceives {len(config.guidance.emotions)} emotions and {len(config.guidance.intents)} intents of the user."
        if config.guidance
        else "It has no heads for the user's emotion and intent."
    )
    lines = [
        "---",
        "library_name: ruxi",
        "pipeline_tag: text-generation",
        f"base_model: {config.base_model or 'unknown'}",
        "tags: [role-play, onnx, multimodal]",
        "---",
        "",
        f"# {Path(config.name).name}, {config.precision}",
        "",
        f"A character's model as graphs for ONNX Runtime, exported by Ruxi {__version__}. It needs `onnxruntime`, "
        "`numpy` and `tokenizers`, neither torch nor transformers.",
        "",
        "    ruxi chat --model THIS_FOLDER --engine onnx",
        "",
        f"- Language model: {config.base_model} (weights {(config.base_digest or 'unknown')[:16]}), "
        f"{config.shape.layers} layers, {config.shape.width} wide, {config.shape.vocabulary:,} tokens.",
        f"- Bits of the weights: {bits}. Size: {sum(megabytes.values()):.0f} MB, "
        f"of which {megabytes[DECODER_DATA]:.0f} MB are the decoder's.",
        f"- Media: {kind}. {heads}",
        "",
        "| stream | extractor | tokens a medium |",
        "|---|---|---|",
        *streams,
        "",
        "The licences of the language model and of the encoders hold for their weights in here as well.",
        "",
    ]
    return "\n".join(lines)
