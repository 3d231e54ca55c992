"""Six families of encoders, with tiny random weights but their real classes, files and preprocessors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ruxi.errors import MediaError, ModelError, UsageError, WeightsError
from ruxi.features import Extractor, load_extractor
from ruxi.features.huggingface import HuggingFaceSpeech, HuggingFaceVision
from ruxi.media import Image
from tests.features.sounds import sound_of

_TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
_EYE = {**_TOWER, "image_size": 32, "patch_size": 8}
_SIZE = {"height": 32, "width": 32}


def _clip() -> tuple[Any, Any]:
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    config = CLIPConfig(text_config={**_TOWER, "vocab_size": 50}, vision_config=_EYE, projection_dim=8)
    return CLIPModel(config), CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=_SIZE)


def _siglip() -> tuple[Any, Any]:
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    config = SiglipConfig(text_config={**_TOWER, "vocab_size": 50}, vision_config=_EYE)
    return SiglipModel(config), SiglipImageProcessorPil(size=_SIZE)


def _dinov2() -> tuple[Any, Any]:
    from transformers import Dinov2Config, Dinov2Model
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    config = Dinov2Config(**_EYE)
    return Dinov2Model(config), BitImageProcessorPil(size={"shortest_edge": 36}, crop_size=_SIZE)


def _whisper() -> tuple[Any, Any]:
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    config = WhisperConfig(
        d_model=16,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        vocab_size=60,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    return WhisperModel(config), WhisperFeatureExtractor()


_CONVOLUTIONS = {
    "conv_dim": (8,) * 7,
    "num_feat_extract_layers": 7,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}


def _hubert() -> tuple[Any, Any]:
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    return HubertModel(HubertConfig(**_TOWER, **_CONVOLUTIONS)), Wav2Vec2FeatureExtractor()


def _wav2vec2() -> tuple[Any, Any]:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    return Wav2Vec2Model(Wav2Vec2Config(**_TOWER, **_CONVOLUTIONS)), Wav2Vec2FeatureExtractor()


def _saved(make: Callable[[], tuple[Any, Any]], folder: Path) -> Any:
    """Save a model with its preprocessor as the hub has it; returns the model."""
    torch.manual_seed(0)
    model, preprocessor = make()
    model.save_pretrained(folder)
    preprocessor.save_pretrained(folder)
    return model.eval()


def _picture(seed: int = 0) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    return Image(pixels, "0" * 64, 1.0, 3.0, "a.png")


@pytest.mark.parametrize(
    ("make", "vectors", "mean", "deviation"),
    [
        (_clip, 17, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        (_siglip, 16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        (_dinov2, 17, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ],
)
def test_a_vision_tower_gives_its_patches(
    make: Callable[[], tuple[Any, Any]],
    vectors: int,
    mean: tuple[float, ...],
    deviation: tuple[float, ...],
    tmp_path: Path,
) -> None:
    model = _saved(make, tmp_path)
    eye = load_extractor(f"hf-vision:{tmp_path}", device="cpu")
    assert isinstance(eye, Extractor)
    # A picture of the tower's own size and one colour: nothing to resize, so the input can be written down here.
    colour = np.array([200, 100, 50], dtype=np.uint8)
    found = eye.extract(Image(np.tile(colour, (36, 36, 1)), "0" * 64, 1.0, 3.0, "a.png"))
    pixels = torch.tensor([(c / 255 - m) / d for c, m, d in zip(colour, mean, deviation, strict=True)])
    tower = getattr(model, "vision_model", model)
    with torch.inference_mode():
        expected = tower(pixels.float()[None, :, None, None].expand(1, 3, 32, 32)).last_hidden_state[0].numpy()
    assert found.values.shape == (vectors, 16) == (vectors, eye.width)
    assert found.values.dtype == np.float16
    assert np.allclose(found.values, expected, atol=5e-3)
    assert found.times.tolist() == [[0, 2]] * vectors
    assert not np.allclose(eye.extract(_picture(0)).values, eye.extract(_picture(1)).values, atol=1e-2)


@pytest.mark.parametrize("make", [_whisper, _hubert, _wav2vec2])
def test_a_speech_encoder_gives_states_for_the_real_duration(
    make: Callable[[], tuple[Any, Any]], tmp_path: Path
) -> None:
    model = _saved(make, tmp_path)
    ear = load_extractor(f"hf-speech:{tmp_path}", device="cpu")
    assert isinstance(ear, Extractor)
    samples = np.random.default_rng(0).normal(0, 0.1, 32_500).astype(np.float32)
    found = ear.extract(sound_of(samples))
    preprocessor = make()[1]
    inputs = preprocessor(samples, sampling_rate=16_000, return_tensors="pt")[preprocessor.model_input_names[0]]
    with torch.inference_mode():
        encoder = model.get_encoder() if model.config.is_encoder_decoder else model
        expected = encoder(inputs).last_hidden_state[0].numpy()
    assert abs(len(found.values) - 32_500 / 320) <= 2
    assert np.allclose(found.values, expected[: len(found.values)], atol=1e-2)
    assert np.allclose(found.times[:3], [[0, 0.02], [0.02, 0.04], [0.04, 0.06]])
    assert found.times[-1, 1] <= 32_500 / 16_000
    assert found.text is None


@pytest.mark.parametrize("make", [_whisper, _wav2vec2])
@pytest.mark.parametrize(("seconds", "states"), [(31.0, 1549), (0.01, 1), (0.0, 0)])
def test_long_short_and_empty_sounds_are_taken(
    make: Callable[[], tuple[Any, Any]], seconds: float, states: int, tmp_path: Path
) -> None:
    _saved(make, tmp_path)
    found = HuggingFaceSpeech(str(tmp_path), device="cpu").extract(sound_of(np.zeros(int(seconds * 16_000))))
    assert abs(len(found.values) - states) <= 2 * (seconds > 1)
    assert found.times.shape == (len(found.values), 2)
    assert np.all(np.diff(found.times[:, 0]) > 0)


def test_the_version_follows_the_weights_and_not_the_place(tmp_path: Path) -> None:
    versions = []
    for folder, seed in (("one", 0), ("two", 0), ("three", 1)):
        torch.manual_seed(seed)
        model, preprocessor = _siglip()
        model.save_pretrained(tmp_path / folder)
        preprocessor.save_pretrained(tmp_path / folder)
        versions.append(HuggingFaceVision(str(tmp_path / folder)).version)
    assert versions[0] == versions[1] != versions[2]


def test_wrong_models_and_media_end_in_a_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a folder, nor a hub id"):
        HuggingFaceVision("not a name")
    with pytest.raises(WeightsError, match=r"no \.safetensors file"):
        HuggingFaceVision(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="hf-vision"):
        HuggingFaceVision(str(tmp_path))
    _saved(_siglip, tmp_path)
    with pytest.raises(MediaError, match="looks at pictures, not at audio"):
        HuggingFaceVision(str(tmp_path)).extract(sound_of(np.zeros(10)))
