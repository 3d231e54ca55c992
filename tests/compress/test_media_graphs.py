"""The small graphs: media, guidance, persona, pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ruxi.compress.graph import Graph
from ruxi.compress.image import build_image
from ruxi.features.efficientnet_network import EfficientNetLite0
from ruxi.model import GuidanceInputs
from ruxi.runtime.onnx.bundle import GUIDANCE, PERSONA, media_graph
from tests.compress.conftest import run
from tests.model.conftest import media, tokens


@pytest.mark.parametrize("kind", ["cross_attention", "prefix"])
def test_a_medium_becomes_the_keys_and_values_of_torch(exported, kind):
    model, bundle = exported(
        fusion={"kind": kind, "every": 2, "heads": 2, "head_width": 8}, alignment={"extractor": "sentences", "width": 6}
    )
    inputs = media(("image", 0, 0), ("image", 0, 1), lengths=(6, 4))["image"]
    with torch.no_grad():
        resampled = model.resamplers["image"](inputs.values, inputs.mask)
        keys, values = model.fusion.key_value["image"](resampled)
        embedding = model.alignment.embed("image", resampled)
        emotions = model.guidance.media_heads["image"](inputs.values, inputs.mask)
        states = model.prefix(resampled) if kind == "prefix" else None
    found = run(bundle, media_graph("image"), features=inputs.values.numpy(), mask=inputs.mask.numpy())
    for name, expected in (
        ("keys", keys),
        ("values", values),
        ("embedding", embedding),
        ("emotions", emotions),
        ("states", states),
    ):
        if expected is not None:
            np.testing.assert_allclose(found[name], expected.numpy(), atol=1e-4, err_msg=name)
    assert ("states" in found) == (kind == "prefix")


@pytest.mark.parametrize("pictures", [0, 2])
def test_guidance_perceives_and_guides_as_torch_does(exported, pictures):
    model, bundle = exported()
    settings, turns = model.config.guidance_settings, torch.tensor([[2], [2]])
    rows = torch.tensor([0, 1])
    hidden = torch.randn(2, 1, 32, generator=torch.Generator().manual_seed(1))
    heard = np.array([True, False])
    wanted = torch.nn.functional.one_hot(torch.tensor([4, 9]), len(settings.emotions)).float()
    with torch.no_grad():
        # The second picture of row 0 comes after the turn.
        streams = (
            model.encode_media(media(("image", 0, 2), ("image", 0, 3), ("speech", 1, 1)), batch=2) if pictures else {}
        )
        seen = model.perceive(hidden, rows, torch.zeros(2, dtype=torch.long), turns, streams)
        persona = model.persona_embedding(tokens(2, 5), torch.full((2, 5), -1), rows)
        unknown = torch.tensor(heard)[:, None].float()
        guidance = GuidanceInputs(
            persona,
            seen.emotion_logits.softmax(-1) * unknown,
            seen.intent_logits.softmax(-1) * unknown,
            wanted,
            rows,
            turns[:, 0],
        )
        keys, values = model.fusion.key_value["guidance"](model.guidance(guidance))
    names = tuple(model.config.modality_settings)
    longest = max((stream.keys.shape[3] for stream in streams.values()), default=0)
    packed = np.zeros((2, 2, len(names) * 2, longest, 8), dtype=np.float32)
    visible = np.zeros((2, len(names), longest), dtype=bool)
    for index, name in enumerate(names):
        if name in streams:
            stream = streams[name]
            count = stream.keys.shape[3]
            packed[0][:, 2 * index : 2 * index + 2, :count] = stream.keys[0].detach()
            packed[1][:, 2 * index : 2 * index + 2, :count] = stream.values[0].detach()
            visible[:, index, :count] = stream.visible(turns, torch.zeros_like(turns))[:, 0]
    here = turns, torch.zeros_like(turns)
    shown = sum((s.shown_emotion(*here)[:, 0].detach() for s in streams.values()), torch.zeros_like(wanted))
    found = run(
        bundle,
        GUIDANCE,
        shown_emotion=shown.numpy(),
        hidden_states=hidden[:, 0].numpy(),
        visible=visible,
        media_keys=packed[0],
        media_values=packed[1],
        heard=heard,
        persona=persona.numpy(),
        reply_emotion=wanted.numpy(),
    )
    for name, expected in (
        ("emotion_logits", seen.emotion_logits),
        ("intent_logits", seen.intent_logits),
        ("keys", keys),
        ("values", values),
    ):
        np.testing.assert_allclose(found[name], expected.numpy(), atol=1e-4, err_msg=name)


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-6), ("int8", 0.02)])
def test_the_persona_is_the_mean_of_its_embeddings(exported, precision, apart):
    model, bundle = exported(precision=precision)
    ids = tokens(1, 7)
    expected = model.persona_embedding(ids, torch.full((1, 7), -1), torch.tensor([0]))[0].numpy()
    assert np.abs(run(bundle, PERSONA, input_ids=ids[0].numpy())["persona"] - expected).max() < apart


def test_pictures_are_seen_as_torch_sees_them(tmp_path):
    import onnxruntime

    torch.manual_seed(2)
    network = EfficientNetLite0().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    graph = Graph("image")
    build_image(graph, network)
    graph.save(tmp_path / "image.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "image.onnx"), providers=["CPUExecutionProvider"])
    pixels = torch.randn(2, 3, 224, 224)
    features, probabilities = session.run(["features", "probabilities"], {"pixels": pixels.numpy()})
    with torch.no_grad():
        grid, logits = network(pixels)
    np.testing.assert_allclose(features, grid.flatten(2).transpose(1, 2).numpy(), atol=1e-4)
    np.testing.assert_allclose(probabilities, logits.softmax(-1).numpy(), atol=1e-5)
