"""The graphs of guidance: heads with the guidance tokens, and the persona's embedding; see `ruxi.model.guidance`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ruxi.compress.decoder import Precisions, embed
from ruxi.compress.fusion import TORCH_EPSILON, Block, Reading, attend, read_visibility
from ruxi.compress.graph import BOOL, FLOAT, INT64, Graph, weights_of
from ruxi.compress.language_model import LanguageModel
from ruxi.compress.media import dense, layer_norm, write_keys_values, write_states
from ruxi.model import GUIDANCE, RolePlayForCausalLM
from ruxi.runtime.onnx.layout import GUIDANCE_TOKENS


def build_persona(graph: Graph, model: LanguageModel, precisions: Precisions) -> None:
    """Write the graph that averages the embeddings of the persona's tokens."""
    graph.input("input_ids", INT64, ["tokens"])
    mean = graph.node("ReduceMean", embed(graph, "input_ids", model, precisions), graph.integers(0), keepdims=0)
    graph.output("persona", mean, FLOAT, [model.width])


def build_guidance(graph: Graph, model: RolePlayForCausalLM) -> None:
    """Write heads and guidance tokens into an empty graph.

    Args:
        graph: The graph.
        model: A model with guidance.
    """
    guidance: Any = model.guidance
    settings = model.config.guidance_settings
    assert settings is not None  # noqa: S101 - only called for models with guidance
    width = int(guidance.head_norm.normalized_shape[0])
    emotions, intents = len(settings.emotions), len(settings.intents)
    graph.input("hidden_states", FLOAT, ["replies", width])
    states = _fused(graph, model, width)
    norm = weights_of(guidance.head_norm.state_dict())
    states = layer_norm(graph, states, norm["weight"], norm["bias"], "head_norm")
    graph.input("heard", BOOL, ["replies"])
    graph.input("persona", FLOAT, ["replies", width])
    graph.input("reply_emotion", FLOAT, ["replies", emotions])
    heard = graph.node("Unsqueeze", graph.node("Cast", "heard", to=FLOAT), graph.integers(-1))
    found = {}
    for name, count in (("emotion", emotions), ("intent", intents)):
        logits = dense(graph, states, getattr(guidance, f"{name}_head"), f"{name}_head")
        if name == "emotion" and model.config.modality_settings:
            graph.input("shown_emotion", FLOAT, ["replies", emotions])
            logits = graph.node("Add", logits, "shown_emotion")
        graph.output(f"{name}_logits", logits, FLOAT, ["replies", count])
        found[name] = graph.node("Mul", graph.node("Softmax", logits, axis=-1), heard)
    persona = weights_of(guidance.persona.state_dict())
    tokens = [
        graph.linear(
            layer_norm(graph, "persona", persona["0.weight"], persona["0.bias"], "persona_norm"),
            "persona_tokens",
            persona["1.weight"],
            persona["1.bias"],
        ),
        dense(graph, found["emotion"], guidance.user_emotion, "user_emotion"),
        dense(graph, found["intent"], guidance.user_intent, "user_intent"),
        dense(graph, "reply_emotion", guidance.reply_emotion, "wanted_emotion"),
    ]
    stacked = graph.node("Concat", *[graph.node("Unsqueeze", t, graph.integers(1)) for t in tokens], axis=1)
    last = weights_of(guidance.norm.state_dict())
    normed = layer_norm(graph, stacked, last["weight"], last["bias"], "norm")
    write_keys_values(graph, normed, model, GUIDANCE, "replies", GUIDANCE_TOKENS)
    write_states(graph, normed, model, "replies", GUIDANCE_TOKENS)


def _fused(graph: Graph, model: RolePlayForCausalLM, width: int) -> str:
    """M_f of the last hidden states, `[replies, width]`, also of those that see nothing."""
    guidance: Any = model.guidance
    fusion, streams = model.config.fusion_settings, len(model.config.modality_settings)
    state = weights_of(guidance.fused.state_dict())
    block = Block(state["norm.weight"], state["query.weight"], state["mix.weight"], key_value_set=0)
    if not streams:
        return graph.linear("hidden_states", "mix", block.mix)
    shape: list[int | str] = ["replies", streams * fusion.heads, "media", fusion.head_width]
    graph.input("visible", BOOL, ["replies", streams, "media"])
    graph.input("media_keys", FLOAT, shape)
    graph.input("media_values", FLOAT, shape)
    # One invisible token more, so that the attention has something to look at where there are no media.
    replies = graph.node("Shape", "hidden_states", start=0, end=1)
    row = graph.node("Concat", replies, graph.integers(streams * fusion.heads, 1, fusion.head_width), axis=0)
    nothing = graph.node("Expand", graph.number(0.0), row)
    keys, values = (graph.node("Concat", name, nothing, axis=2) for name in ("media_keys", "media_values"))
    unseen = graph.node("Concat", replies, graph.integers(streams, 1), axis=0)
    unseen = graph.node("Expand", graph.constant(np.asarray(False)), unseen)
    visible = graph.node("Concat", "visible", unseen, axis=2)
    one_token = graph.node("Unsqueeze", visible, graph.integers(1))
    bias, wide, _ = read_visibility(graph, one_token, fusion.heads, fusion.head_width)
    own = graph.node("Expand", graph.number(1.0), graph.node("Concat", replies, graph.integers(1, width), axis=0))
    reading = Reading(bias, graph.node("Concat", own, wide, axis=-1))
    hidden = graph.node("Unsqueeze", "hidden_states", graph.integers(1))
    normed, _ = graph.residual_norm(hidden, None, block.norm, "fused_norm", TORCH_EPSILON)
    fused = attend(
        graph,
        hidden,
        normed,
        block,
        reading,
        streams=streams,
        heads=fusion.heads,
        keys=keys,
        values=values,
        name="fused",
        precision=None,
    )
    squeezed: str = graph.node("Squeeze", fused, graph.integers(1))
    return squeezed
