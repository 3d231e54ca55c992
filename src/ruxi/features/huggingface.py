"""Any Hugging Face vision tower or speech encoder as an extractor, by hub id or folder.

Checked with CLIP, SigLIP and DINOv2, and with Whisper, HuBERT and wav2vec 2.0. The features are the last hidden states,
as the tower's own preprocessing leads to them; a class token, where there is one, comes first. Only safetensors are
loaded and no code of the repository is run. Pictures are prepared with Pillow, so torchvision is not needed.
"""

from __future__ import annotations

import math
import re
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ruxi import weights
from ruxi.errors import MediaError, ModelError
from ruxi.features.types import FeatureSequence
from ruxi.features.versions import version_of
from ruxi.features.windows import cut
from ruxi.files import sha256_of
from ruxi.media import SAMPLE_RATE, Audio, Image, Medium

_FLOAT16_MAX = float(np.finfo(np.float16).max)
_WINDOW_SECONDS = 30
_SHORTEST_SAMPLES = 400


class _Encoder(ABC):
    """What the two kinds share: the name, the version, and loading when the first medium comes.

    Args:
        model: Hub id (with `@revision` if wanted) or folder.
        device: Where to compute: `cpu`, `cuda`, or None for a GPU where there is one.
    """

    kind: Literal["vision", "speech"]

    def __init__(self, model: str, device: str | None = None) -> None:
        from transformers import AutoConfig

        self.name = f"hf-{self.kind}:{model}"
        self._folder = weights.resolve(model)
        self._device = device
        try:
            config = AutoConfig.from_pretrained(self._folder)
        except (OSError, ValueError) as error:
            raise ModelError(_first_line(error), where=self.name, remedy="Choose a model of transformers.") from error
        self._config = getattr(config, "vision_config", config) if self.kind == "vision" else config
        self.width = int(self._config.hidden_size)
        self.version = version_of(_digests(self._folder), {"revision": 1})
        self._lock = threading.Lock()
        self._parts: tuple[Any, Any] | None = None

    def _loaded(self) -> tuple[Any, Any]:
        """The preprocessor and the encoder."""
        with self._lock:
            if self._parts is None:
                try:
                    self._parts = self._preprocessor(), self._encoder()
                except (OSError, ValueError, ImportError) as error:
                    raise ModelError(_first_line(error), where=self.name) from error
            return self._parts

    @abstractmethod
    def _preprocessor(self) -> Any:
        """What makes the encoder's inputs from a medium."""

    def _encoder(self) -> Any:
        """The half of the model that looks or listens."""
        import torch
        from transformers import AutoModel

        model = AutoModel.from_pretrained(self._folder, use_safetensors=True, dtype=torch.float32)
        if self.kind == "vision":
            encoder = getattr(model, "vision_model", model)
        else:
            encoder = model.get_encoder() if model.config.is_encoder_decoder else model
        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        return encoder.eval().to(device)

    def _hidden(self, encoder: Any, inputs: Any) -> npt.NDArray[np.float16]:
        """Last hidden states of one medium, `[n, width]`."""
        import torch

        with torch.inference_mode():
            hidden = encoder(inputs.to(encoder.device)).last_hidden_state[0].float().cpu().numpy()
        # A few channels of large vision towers leave the range of float16.
        values: npt.NDArray[np.float16] = np.clip(hidden, -_FLOAT16_MAX, _FLOAT16_MAX).astype(np.float16)
        return values


class HuggingFaceVision(_Encoder):
    """A vision tower: the patches of one picture.

    Args:
        model: Hub id (with `@revision` if wanted) or folder.
        device: Where to compute: `cpu`, `cuda`, or None for a GPU where there is one.

    Raises:
        UsageError: The model is neither a folder nor a hub id.
        WeightsError: It cannot be fetched.
        ModelError: transformers does not know it.
    """

    kind = "vision"
    modality = "image"

    def extract(self, medium: Medium) -> FeatureSequence:
        """Look at a picture.

        Returns:
            One vector a patch, row by row from the top left (after the class token, if the tower has one), each over
            the picture's whole time; no labels.

        Raises:
            MediaError: It is not a picture.
        """
        if not isinstance(medium, Image):
            raise MediaError(f"{self.name} looks at pictures, not at {medium.kind}", where=medium.source)
        preprocessor, encoder = self._loaded()
        inputs = preprocessor(
            np.ascontiguousarray(medium.pixels), input_data_format="channels_last", return_tensors="pt"
        )
        values = self._hidden(encoder, inputs["pixel_values"])
        times = np.tile(np.asarray([0.0, medium.end - medium.start], dtype=np.float32), (len(values), 1))
        return FeatureSequence(values, times)

    def _preprocessor(self) -> Any:
        from transformers import AutoImageProcessor

        return AutoImageProcessor.from_pretrained(self._folder, backend="pil")


class HuggingFaceSpeech(_Encoder):
    """A speech encoder: states at its own rate, 50 Hz in the families named above.

    Args:
        model: Hub id (with `@revision` if wanted) or folder.
        device: Where to compute: `cpu`, `cuda`, or None for a GPU where there is one.

    Raises:
        UsageError: The model is neither a folder nor a hub id.
        WeightsError: It cannot be fetched.
        ModelError: transformers does not know it.
    """

    kind = "speech"
    modality = "speech"

    def extract(self, medium: Medium) -> FeatureSequence:
        """Listen to a sound, in windows of 30 seconds.

        Returns:
            States for the real duration; no transcript.

        Raises:
            MediaError: It is not a sound.
        """
        if not isinstance(medium, Audio):
            raise MediaError(f"{self.name} listens to sounds, not to {medium.kind}", where=medium.source)
        preprocessor, encoder = self._loaded()
        stride = self._stride()
        values: list[npt.NDArray[np.float16]] = [np.zeros((0, self.width), dtype=np.float16)]
        begins: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
        for window in cut(len(medium.samples), (), _WINDOW_SECONDS * SAMPLE_RATE):
            samples = medium.samples[window.start : window.end]
            wanted = math.ceil(len(samples) / stride)
            if len(samples) < _SHORTEST_SAMPLES:
                samples = np.pad(samples, (0, _SHORTEST_SAMPLES - len(samples)))
            inputs = preprocessor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
            states = self._hidden(encoder, inputs[preprocessor.model_input_names[0]])[:wanted]
            values.append(states)
            begins.append(window.start + np.arange(len(states)) * stride)
        start = (np.concatenate(begins) / SAMPLE_RATE).astype(np.float32)
        end = np.minimum(start + np.float32(stride / SAMPLE_RATE), np.float32(medium.duration))
        return FeatureSequence(np.concatenate(values), np.stack([start, end], axis=1))

    def _preprocessor(self) -> Any:
        from transformers import AutoFeatureExtractor

        return AutoFeatureExtractor.from_pretrained(self._folder)

    def _stride(self) -> int:
        """Samples from one state to the next."""
        strides = getattr(self._config, "conv_stride", None)
        if strides is not None:
            return math.prod(strides)
        # Whisper: a spectrogram every 10 ms, halved by its second convolution.
        return 2 * int(self._loaded()[0].hop_length)


def _digests(folder: Path) -> list[str]:
    """Digests of the weights and settings of a folder.

    The hub's cache keeps large files as links to blobs that are named by their SHA-256, which saves hashing gigabytes.
    """
    names = ["config.json", "preprocessor_config.json", *sorted(path.name for path in folder.glob("*.safetensors"))]
    found = []
    for path in (folder / name for name in names):
        if path.is_file():
            blob = path.resolve().name
            found.append(blob if re.fullmatch(r"[0-9a-f]{64}", blob) else sha256_of(path))
    return found


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
