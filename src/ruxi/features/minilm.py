"""all-MiniLM-L6-v2: one vector a text, for memory, for checks of data and for the alignment of media with captions.

The vector is the mean of the last hidden states over the real tokens, scaled to length 1, as its authors use it
(Reimers and Gurevych 2019, arXiv:1908.10084; sentence-transformers reads the same from `modules.json`). Texts beyond
256 tokens are cut there: that is the length it was tuned for.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ruxi import weights
from ruxi.errors import MediaError, WeightsError
from ruxi.features.types import FeatureSequence
from ruxi.features.versions import pinned_digests, version_of
from ruxi.media import Medium

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertModel

_PART = "all-minilm-l6-v2"
_MOST_TOKENS = 256
_BATCH = 32


@dataclass(frozen=True)
class _Loaded:
    tokenizer: Tokenizer
    model: BertModel


class MiniLM:
    """Sentence vectors; the weights are loaded when the first text comes."""

    name = _PART
    modality = "text"
    width = 384

    def __init__(self) -> None:
        self.version = version_of(pinned_digests(_PART), {"revision": 1})
        self._lock = threading.Lock()
        self._parts: _Loaded | None = None

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors whose dot product tells how alike the meanings of texts are.

        Args:
            texts: Any number of texts, of any length.

        Returns:
            Vectors of length 1 in the order of the texts, float32 `[texts, 384]`.

        Raises:
            WeightsError: The weights are not installed or do not fit.
        """
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        # Texts of like length share a batch, which saves most of the padding.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for begin in range(0, len(order), _BATCH):
            batch = order[begin : begin + _BATCH]
            vectors[batch] = self._embed_batch([texts[index] for index in batch])
        return vectors

    def extract(self, medium: Medium | str) -> FeatureSequence:
        """The vector of one text, as a sequence of one without duration.

        Raises:
            MediaError: It is not a text.
            WeightsError: The weights are not installed or do not fit.
        """
        if not isinstance(medium, str):
            raise MediaError(f"{self.name} reads texts, not {medium.kind}", where=medium.source)
        return FeatureSequence(self.embed([medium]).astype(np.float16), np.zeros((1, 2), dtype=np.float32))

    def _embed_batch(self, texts: list[str]) -> npt.NDArray[np.float32]:
        import torch
        from torch.nn import functional as F

        parts = self._loaded()
        encodings = parts.tokenizer.encode_batch(texts)
        mask = torch.tensor([encoding.attention_mask for encoding in encodings])
        with torch.inference_mode():
            hidden = parts.model(
                input_ids=torch.tensor([encoding.ids for encoding in encodings]), attention_mask=mask
            ).last_hidden_state
            weight = mask[:, :, None].to(hidden.dtype)
            vectors = F.normalize((hidden * weight).sum(dim=1) / weight.sum(dim=1), dim=-1)
        result: npt.NDArray[np.float32] = vectors.numpy()
        return result

    def _loaded(self) -> _Loaded:
        with self._lock:
            if self._parts is None:
                self._parts = _load()
            return self._parts


def load_embedder() -> MiniLM:
    """The sentence embedder that the default model comes with."""
    return MiniLM()


def _load() -> _Loaded:
    import torch
    from tokenizers import Tokenizer
    from transformers import BertModel

    folder = weights.require(_PART)
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        model = BertModel.from_pretrained(folder, add_pooling_layer=False, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsError(str(error), where=str(folder), remedy=f"Run `ruxi pull {_PART}`.") from error
    tokenizer.enable_truncation(_MOST_TOKENS)
    tokenizer.enable_padding()
    return _Loaded(tokenizer, model.eval())
