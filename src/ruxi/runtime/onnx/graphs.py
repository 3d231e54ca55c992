"""The graphs of a bundle as ONNX Runtime sessions, opened when they are first needed.

Only the decoder is large. The others run once a medium or once a reply; what they gave is kept for the next turn.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ruxi.errors import ModelError
from ruxi.features import FeatureSequence
from ruxi.runtime.onnx import bundle as contract
from ruxi.runtime.onnx.bundle import Bundle

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Floats = npt.NDArray[np.float32]

_MEDIA_KEPT = 256
"""Media whose keys and values are kept; about 64 kB each."""

_PERSONAS_KEPT = 64


def open_session(path: Path, threads: int | None, *, as_written: bool = False) -> InferenceSession:
    """Open a graph.

    Args:
        path: The graph.
        threads: Threads for one pass; None for one a core.
        as_written: Whether its nodes run as they stand, because there is nothing to fuse any more; opens it sooner.

    Raises:
        ModelError: ONNX Runtime cannot load it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if as_written:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's errors have no base class of their own
        raise ModelError(
            f"ONNX Runtime {onnxruntime.__version__} cannot load it: {' '.join(str(error).split())[:300]}",
            where=str(path),
            remedy="Export the bundle again, or update onnxruntime.",
        ) from error


@dataclass(frozen=True)
class Encoded:
    """One medium, or the guidance of one reply, as the decoder reads it.

    Attributes:
        keys: `[sets, heads, tokens, head_width]`.
        values: Likewise.
        states: `[tokens, d]`, for prefix fusion.
        embedding: Unit vector in the space shared with sentences.
        emotions: Logits of the emotion that it shows by itself, `[emotions]`.
    """

    keys: Floats
    values: Floats
    states: Floats | None = None
    embedding: Floats | None = None
    emotions: Floats | None = None


@dataclass(frozen=True)
class Guided:
    """What the guidance graph gives for one reply.

    Attributes:
        stream: The guidance tokens.
        emotion_logits: What the user feels, `[emotions]`.
        intent_logits: What the user wants, `[intents]`.
    """

    stream: Encoded
    emotion_logits: Floats
    intent_logits: Floats


class Graphs:
    """The smaller graphs of a bundle; safe to use from several threads.

    Args:
        bundle: The bundle.
        threads: Threads for one pass; None for one a core.
    """

    def __init__(self, bundle: Bundle, threads: int | None) -> None:
        self._bundle = bundle
        self._threads = threads
        self._sessions: dict[str, InferenceSession] = {}
        self._media: OrderedDict[tuple[str, str], Encoded] = OrderedDict()
        self._personas: OrderedDict[tuple[int, ...], Floats] = OrderedDict()
        self._lock = threading.Lock()

    def session(self, name: str) -> InferenceSession:
        """The session of one graph, by its file's name."""
        with self._lock:
            if name not in self._sessions:
                self._sessions[name] = open_session(
                    self._bundle.path(name), self._threads, as_written=name == contract.DECODER
                )
            return self._sessions[name]

    def encode(self, stream: str, media: str | None, features: FeatureSequence) -> Encoded:
        """Resample and project one medium.

        Args:
            stream: The stream that it feeds.
            media: Its digest, under which the result is kept; None does not keep it.
            features: What its extractor found.

        Raises:
            ModelError: Features of another width.
        """
        settings = self._bundle.config.modalities[stream]
        if features.values.shape[1] != settings.width:
            raise ModelError(
                f"features are {features.values.shape[1]} wide, not {settings.width}",
                where=f"media {stream!r}",
                remedy=f"Extract them with {settings.extractor!r}.",
            )
        key = (stream, media or "")
        with self._lock:
            if key in self._media:
                self._media.move_to_end(key)
                return self._media[key]
        values = features.values.astype(np.float32)[None]
        found = self._run(
            contract.media_graph(stream), {"features": values, "mask": np.ones(values.shape[:2], dtype=bool)}
        )
        further = {name: found[name][0] for name in ("states", "embedding", "emotions") if name in found}
        encoded = Encoded(found["keys"][:, 0], found["values"][:, 0], **further)
        if media is not None:
            with self._lock:
                _keep(self._media, key, encoded, _MEDIA_KEPT)
        return encoded

    def persona(self, tokens: tuple[int, ...]) -> Floats:
        """Mean input embedding `[d]` of a persona's tokens; zeros without any."""
        if not tokens:
            return np.zeros(self._bundle.config.shape.width, np.float32)
        with self._lock:
            if tokens in self._personas:
                self._personas.move_to_end(tokens)
                return self._personas[tokens]
        found: Floats = self._run(contract.PERSONA, {"input_ids": np.array(tokens, np.int64)})["persona"]
        with self._lock:
            _keep(self._personas, tokens, found, _PERSONAS_KEPT)
        return found

    def guide(
        self,
        hidden: Floats,
        visible: npt.NDArray[np.bool_],
        keys: Floats,
        values: Floats,
        *,
        shown_emotion: Floats,
        heard: bool,
        persona: Floats,
        reply_emotion: Floats,
    ) -> Guided:
        """Perceive what the user wants and feels, and make the guidance of the reply.

        Args:
            hidden: Last hidden state before the reply, `[d]`.
            visible: Media tokens that it sees, `[streams, m]`.
            keys: Set 0 of their keys, `[streams * heads, m, head_width]`.
            values: Likewise.
            shown_emotion: Emotions of the media of that turn, added up, `[emotions]`.
            heard: Whether somebody spoke before the reply.
            persona: See `persona`.
            reply_emotion: The emotion wanted, one-hot `[emotions]`, or zeros.
        """
        found = self._run(
            contract.GUIDANCE,
            {
                "hidden_states": hidden[None],
                "visible": visible[None],
                "media_keys": keys[None],
                "media_values": values[None],
                "shown_emotion": shown_emotion[None],
                "heard": np.array([heard]),
                "persona": persona[None],
                "reply_emotion": reply_emotion[None],
            },
        )
        nothing = np.zeros((1, 1, 1, 0, 1), np.float32)
        states = found.get("states")
        stream = Encoded(
            found.get("keys", nothing)[:, 0],
            found.get("values", nothing)[:, 0],
            None if states is None else states[0],
        )
        return Guided(stream, found["emotion_logits"][0], found["intent_logits"][0])

    def _run(self, name: str, inputs: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
        session = self.session(name)
        wanted = {node.name for node in session.get_inputs()}
        outputs = [node.name for node in session.get_outputs()]
        given = {name: np.ascontiguousarray(value) for name, value in inputs.items() if name in wanted}
        return dict(zip(outputs, session.run(outputs, given), strict=True))


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    """Keep a value, and let the one go that was not used for the longest time."""
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)
