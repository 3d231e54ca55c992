"""A bundle: the folder with ONNX graphs that `ruxi compress --to onnx` writes and the fast engine runs.

Everything that the two sides agree on is here, and nothing that imports torch or transformers.

Files:
    config.json          What is in the folder: `BundleConfig`.
    tokenizer.json       Tokenizer, for the library `tokenizers`.
    decoder.onnx         The language model with fusion; its weights are in `decoder.data`.
    persona.onnx         Mean input embedding of the persona; it shares `decoder.data`. Only with guidance.
    guidance.onnx        Intent and emotion heads, guidance tokens. Only with guidance.
    media_STREAM.onnx    Resampler and projections of one stream of media (`image`, `speech`, `video`, …).
    image.onnx           Image encoder, when the model sees with one that can be written as a graph.
    README.md            Model card.

Letters: B rows of the batch (chats), S new tokens of the longest row, K positions whose results are wanted, C capacity
of the cache in tokens, L layers, D width, V vocabulary, W number of sets of media keys and values (1 when the fusion
blocks share their projections), H heads of the fusion, F their width, N streams, M media tokens of the longest stream
of any row, R replies, E emotions, I intents. All floating-point numbers are float32.

`decoder.onnx`: rows of different lengths, in one pass, each reading as many new tokens as it has.

| input | type | shape | meaning |
|---|---|---|---|
| input_ids | int64 | B, S | new tokens, padded on the right with any id |
| query_seqlens | int32 | B | how many of them are real; 0: the row rests, and its cache stays as it is |
| seqlens_k | int32 | B | tokens in the cache after the pass, minus 1 |
| total_sequence_length | int32 | (scalar) | most tokens of any row after the pass, or more; S at least |
| keep | int64 | B, K | positions in 0 … S-1 whose results are computed |
| visible | bool | B, S, N, M | media tokens that each new token may attend to; only if `fuses` |
| media_keys, media_values | float | W, B, N*H, M, F | projected media, stream by stream; only if `fuses` |
| media_states | float | B, S, D | media in place of tokens; only if `is_prefix` |
| is_media | bool | B, S | where they stand; the ids there are ignored; only if `is_prefix` |
| past_key_i, past_value_i | float | B, kv_heads, C, head_width | cache of layer i = 0 … L-1 |

| output | type | shape | meaning |
|---|---|---|---|
| logits | float | B, K, V | at the positions `keep` |
| hidden_states | float | B, K, D | last hidden states there, after the final norm |
| present_key_i, present_value_i | float | B, kv_heads, C, head_width | in the memory of past_key_i, past_value_i |

The cache of a row must have room for all S positions: tokens before the pass + S <= C. Present is to be bound to the
memory of past. With M = 0, or nothing visible to any token, fusion costs nothing. Streams stand in the order of
`streams`; heads H*k … H*(k+1)-1 belong to stream k. Shorter streams and rows are padded and marked invisible; what
stands in the padding must be finite. A token may see media of its own turn and of earlier ones; the guidance of a reply
is seen by the tokens of that turn alone.

`media_STREAM.onnx`: any number of media, padded to n vectors of `modalities[STREAM].width`; each has one or more.

| | name | type | shape |
|---|---|---|---|
| in | features | float | media, n, width |
| in | mask | bool | media, n |
| out | keys, values | float | W, media, H, tokens, F |
| out | states | float | media, tokens, D; only if `is_prefix` |
| out | embedding | float | media, alignment width: unit vectors; only with `alignment` |
| out | emotions | float | media, E: logits of the emotion that each shows by itself; only with `guidance` |

`guidance.onnx`: what the turn before each reply wants and feels, and the guidance stream that follows from it.

| | name | type | shape | meaning |
|---|---|---|---|---|
| in | hidden_states | float | R, D | last hidden state of the last token before each reply |
| in | visible | bool | R, N', M | as that token sees them; N' streams of media, without guidance |
| in | media_keys, media_values | float | R, N'*H, M, F | set 0 of their keys and values |
| in | shown_emotion | float | R, E | `emotions` of that token's turn's media, added up; only with media |
| in | heard | bool | R | False: nobody spoke before the reply, so user_emotion and user_intent are unknown |
| in | persona | float | R, D | what `persona.onnx` gave |
| in | reply_emotion | float | R, E | the emotion wanted, one-hot or probabilities; zeros: none |
| out | emotion_logits | float | R, E | |
| out | intent_logits | float | R, I | |
| out | keys, values | float | W, R, H, 4, F | the guidance stream; if `fuses` |
| out | states | float | R, 4, D | only if `is_prefix` |

`persona.onnx`: input_ids int64 [n], the persona's tokens, n >= 1; gives persona float [D].

`image.onnx`: pixels float [n, 3, 224, 224], (pixel - 127) / 128; gives features float [n, 49, 1280], row by row from
the top left, and probabilities float [n, 1000] of the classes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ruxi import files
from ruxi.errors import ModelError
from ruxi.prompt import ChatFormat

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
DECODER = "decoder.onnx"
DECODER_DATA = "decoder.data"
PERSONA = "persona.onnx"
GUIDANCE = "guidance.onnx"
IMAGE = "image.onnx"
CARD = "README.md"

Precision = Literal["fp32", "int8", "int4", "auto"]

MODEL_TYPE: Final = "ruxi-onnx"
"""`model_type` in config.json, which tells a bundle from other model folders."""


def media_graph(stream: str) -> str:
    """Name of the graph that encodes one stream's media."""
    return f"media_{stream}.onnx"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shape(_Part):
    """Sizes of the language model.

    Attributes:
        layers: Decoder layers.
        width: Width of the hidden states.
        kv_heads: Heads of the cache.
        head_width: Their width.
        vocabulary: Logits of one position.
        positions: Longest sequence for which the decoder has rotary embeddings.
    """

    layers: int = Field(gt=0)
    width: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_width: int = Field(gt=0)
    vocabulary: int = Field(gt=0)
    positions: int = Field(gt=0)


class Modality(_Part):
    """One stream of media.

    Attributes:
        extractor: Name of the extractor whose features it takes.
        width: Length of one feature vector.
        tokens: Tokens of one medium.
    """

    extractor: str
    width: int = Field(gt=0)
    tokens: int = Field(gt=0)


class FusionShape(_Part):
    """How media enter the decoder.

    Attributes:
        kind: `cross_attention`, `prefix`, or `none` when no medium can change a reply.
        streams: Names of the K/V streams in the order of the heads, guidance last; none when no part reads them.
        sets: Sets of keys and values.
        heads: Heads of one stream.
        head_width: Width of one head.
    """

    kind: Literal["cross_attention", "prefix", "none"]
    streams: tuple[str, ...] = ()
    sets: int = 1
    heads: int = 1
    head_width: int = 1


class Labels(_Part):
    """Labels of the heads, in the order of their outputs."""

    emotions: tuple[str, ...]
    intents: tuple[str, ...]


class SharedSpace(_Part):
    """The space that media share with sentences: its sentence encoder and its width."""

    extractor: str
    width: int = Field(gt=0)


class BundleConfig(BaseModel):
    """What config.json holds.

    Attributes:
        model_type: Always `ruxi-onnx`.
        version: Of this contract.
        name: Name of the model that was exported.
        base_model: Its base model.
        base_digest: SHA-256 that identifies the base model's weights.
        precision: `fp32`, `int8`, `int4` or `auto`.
        bits: Bits of the weights, by part of the decoder.
        shape: Sizes of the language model.
        fusion: How media enter it.
        modalities: Streams of media; with `fusion.kind` `none` their extractors only name things for the prompt.
        guidance: Labels of the heads; None without them.
        alignment: The space shared with sentences; None without.
        image_encoder: Extractor that `image.onnx` stands for; None without that file.
        end_ids: Tokens that end a reply.
        chat_format: The strings around each role's words.
        files: SHA-256 of every other file but the model card.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_type: Literal["ruxi-onnx"] = MODEL_TYPE
    version: Literal[1] = 1
    name: str
    base_model: str
    base_digest: str | None = None
    precision: Precision
    bits: dict[str, int] = Field(default_factory=dict)
    shape: Shape
    fusion: FusionShape
    modalities: dict[str, Modality] = Field(default_factory=dict)
    guidance: Labels | None = None
    alignment: SharedSpace | None = None
    image_encoder: str | None = None
    end_ids: tuple[int, ...] = ()
    chat_format: ChatFormat
    files: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose configuration was read and whose files are all there.

    Attributes:
        folder: Where it is.
        config: Its configuration.
    """

    folder: Path
    config: BundleConfig

    @classmethod
    def open(cls, folder: str | Path, *, check: bool = False) -> Bundle:
        """Read a bundle's configuration.

        Args:
            folder: Where it is.
            check: Whether to compare every file with its digest as well; reads the whole folder.

        Raises:
            ModelError: It is no bundle, a file is missing, or a file is damaged.
        """
        folder = Path(folder)
        config = _read_config(folder / CONFIG)
        missing = [name for name in config.files if not (folder / name).is_file()]
        if missing:
            raise ModelError(
                f"{', '.join(missing)} missing", where=str(folder), remedy="Export the bundle again: `ruxi compress`."
            )
        if check:
            damaged = [name for name, digest in config.files.items() if files.sha256_of(folder / name) != digest]
            if damaged:
                raise ModelError(
                    f"{', '.join(damaged)} changed since the export",
                    where=str(folder),
                    remedy="Export the bundle again: `ruxi compress`.",
                )
        return cls(folder, config)

    @property
    def fuses(self) -> bool:
        """Whether the decoder attends to media."""
        return self.config.fusion.kind == "cross_attention"

    @property
    def is_prefix(self) -> bool:
        """Whether media stand in the sequence."""
        return self.config.fusion.kind == "prefix"

    def path(self, name: str) -> Path:
        """Where a file of the bundle is.

        Args:
            name: One of the names in this module, or what `media_graph` gives.

        Raises:
            ModelError: The bundle has no such file.
        """
        if name not in self.config.files:
            raise ModelError(f"has no {name}", where=str(self.folder), remedy="Export a model that has this part.")
        return self.folder / name


def is_bundle(folder: str | Path) -> bool:
    """Whether a folder holds a bundle, whole or not."""
    try:
        stored = json.loads((Path(folder) / CONFIG).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(stored, dict) and stored.get("model_type") == MODEL_TYPE


def _read_config(path: Path) -> BundleConfig:
    if not path.is_file():
        raise ModelError(
            "no config.json", where=str(path.parent), remedy="Name a folder that `ruxi compress --to onnx` made."
        )
    if not is_bundle(path.parent):
        raise ModelError(
            "not the config.json of a bundle", where=str(path), remedy="Export the model: `ruxi compress --to onnx`."
        )
    try:
        return BundleConfig.model_validate_json(path.read_bytes())
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:5])
        raise ModelError(faults, where=str(path), remedy="Export the bundle with this version of Ruxi.") from error
