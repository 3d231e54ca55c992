"""EfficientNet-Lite0, the default eye: a 7x7 grid of picture features, and ImageNet labels for the prompt.

The features are the 49 vectors after the head convolution, so that attention can be drawn on the picture. Preprocessing
is that of the published release: the middle 87.5 % of the shorter side, bicubic to 224 x 224, (pixel - 127) / 128.
What lies outside that square is not seen; `crop_of` tells where it is. Class names are short forms of the ImageNet-1k
synsets, one a line in the order of the network's outputs.
"""

from __future__ import annotations

import threading
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ruxi import weights
from ruxi.dialogues import Label
from ruxi.errors import MediaError, WeightsError
from ruxi.features.types import FeatureSequence
from ruxi.features.versions import pinned_digests, version_of
from ruxi.media import Image, Medium

if TYPE_CHECKING:
    from ruxi.features.efficientnet_network import EfficientNetLite0

Floats = npt.NDArray[np.float32]

_SIZE = 224
_SHOWN = 0.875
_PART = "efficientnet-lite0"
_FILE = "efficientnet-lite0-57934424.pth"


def crop_of(height: int, width: int) -> tuple[int, int, int]:
    """The square of a picture that the network sees.

    Args:
        height: Of the whole picture, in pixels.
        width: Of the whole picture, in pixels.

    Returns:
        Top, left and side of the square, in pixels; the grid divides it into 7 rows and 7 columns.
    """
    side = max(1, int(_SHOWN * min(height, width)))
    return (height - side + 1) // 2, (width - side + 1) // 2, side


@cache
def class_names() -> tuple[str, ...]:
    """The 1000 ImageNet-1k classes, in the order of the network's outputs."""
    text = resources.files("ruxi.features").joinpath("data/imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


class EfficientNet:
    """EfficientNet-Lite0 as an extractor; the weights are loaded when the first picture comes.

    Args:
        labels: How many of the best classes to name.
    """

    name = _PART
    modality = "image"
    width = 1280

    def __init__(self, labels: int = 5) -> None:
        self._labels = labels
        self.version = version_of(pinned_digests(_PART), {"revision": 1, "labels": labels})
        self._lock = threading.Lock()
        self._network: EfficientNetLite0 | None = None

    def extract(self, medium: Medium) -> FeatureSequence:
        """Look at a picture.

        Args:
            medium: The picture.

        Returns:
            49 vectors, row by row from the top left, each over the picture's whole time, and the best labels.

        Raises:
            MediaError: It is not a picture.
            WeightsError: The weights are not installed or do not fit.
        """
        if not isinstance(medium, Image):
            raise MediaError(f"{self.name} looks at pictures, not at {medium.kind}", where=medium.source)
        features, probabilities = self._look(_prepared(medium.pixels))
        values = features.astype(np.float16)
        best = np.argsort(-probabilities, kind="stable")[: self._labels]
        times = np.tile(np.asarray([0.0, medium.end - medium.start], dtype=np.float32), (len(values), 1))
        labels = tuple(
            Label(name=class_names()[index], score=float(probabilities[index]), source=self.name) for index in best
        )
        return FeatureSequence(values, times, labels=labels)

    def _look(self, pixels: Floats) -> tuple[Floats, Floats]:
        """The features `[49, 1280]` and the probabilities of the classes `[1000]` of a prepared picture."""
        import torch

        with torch.inference_mode():
            grid, logits = self._loaded()(torch.from_numpy(pixels))
            return grid[0].flatten(1).T.contiguous().numpy(), logits[0].softmax(dim=-1).numpy()

    def _loaded(self) -> EfficientNetLite0:
        with self._lock:
            if self._network is None:
                self._network = load_network()
            return self._network


def _prepared(pixels: npt.NDArray[np.uint8]) -> Floats:
    """A picture as the network's input, `[1, 3, 224, 224]`."""
    from PIL import Image as Pillow

    top, left, side = crop_of(*pixels.shape[:2])
    square = Pillow.fromarray(pixels).resize(
        (_SIZE, _SIZE), Pillow.Resampling.BICUBIC, box=(left, top, left + side, top + side)
    )
    scaled = (np.asarray(square, dtype=np.float32) - 127.0) / 128.0
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


def load_network() -> EfficientNetLite0:
    """The network with the pinned weights.

    Raises:
        WeightsError: The weights are not installed or do not fit.
    """
    import torch

    from ruxi.features.efficientnet_network import EfficientNetLite0

    path = weights.require(_PART) / _FILE
    network = EfficientNetLite0()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
    except (RuntimeError, TypeError, OSError, ValueError) as error:
        problem = str(error).splitlines()[0]
        raise WeightsError(problem, where=str(path), remedy=f"Run `ruxi pull {_PART}`.") from error
    return network.eval()
