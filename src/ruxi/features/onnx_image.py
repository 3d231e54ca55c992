"""EfficientNet-Lite0 as a graph for ONNX Runtime: the eye of a bundle, for machines without torch.

It sees what `efficientnet-lite0` sees, up to rounding; because of the rounding its features have a version, and so a
place in the cache, of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruxi import files
from ruxi.errors import WeightsError
from ruxi.features.efficientnet import EfficientNet, Floats
from ruxi.features.versions import version_of


class OnnxImage(EfficientNet):
    """The image encoder of a bundle as an extractor; the graph is loaded when the first picture comes.

    Args:
        graph: The file, `image.onnx` in a bundle.
        labels: How many of the best classes to name.

    Raises:
        WeightsError: There is no such file.
    """

    def __init__(self, graph: str, labels: int = 5) -> None:
        super().__init__(labels)
        self._graph = Path(graph)
        if not self._graph.is_file():
            raise WeightsError("no such file", where=graph, remedy="Export the bundle again: `ruxi compress`.")
        self.version = version_of([files.sha256_of(self._graph)], {"revision": 1, "labels": labels})
        self._session: Any = None

    def _look(self, pixels: Floats) -> tuple[Floats, Floats]:
        features, probabilities = self._opened().run(["features", "probabilities"], {"pixels": pixels})
        return features[0], probabilities[0]

    def _opened(self) -> Any:
        with self._lock:
            if self._session is None:
                import onnxruntime

                options = onnxruntime.SessionOptions()
                options.log_severity_level = 3
                self._session = onnxruntime.InferenceSession(
                    str(self._graph), options, providers=["CPUExecutionProvider"]
                )
            return self._session
