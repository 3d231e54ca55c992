"""The model: resampler, fusion, guidance, and the language model that they surround.

Importing this room imports torch and transformers.
"""

from ruxi.features import STREAM_OF_KIND
from ruxi.model.alignment import Alignment
from ruxi.model.config import (
    GUIDANCE,
    AlignmentSettings,
    FusionSettings,
    GuidanceSettings,
    LoraSettings,
    ModalitySettings,
    ResamplerSettings,
    RolePlayConfig,
)
from ruxi.model.guidance import GuidanceInputs, Perception
from ruxi.model.inputs import Placed, media_inputs, placed_media
from ruxi.model.role_play import RolePlayForCausalLM, RolePlayOutput
from ruxi.model.streams import MediaInputs, Stream, Streams

__all__ = [
    "GUIDANCE",
    "STREAM_OF_KIND",
    "Alignment",
    "AlignmentSettings",
    "FusionSettings",
    "GuidanceInputs",
    "GuidanceSettings",
    "LoraSettings",
    "MediaInputs",
    "ModalitySettings",
    "Perception",
    "Placed",
    "ResamplerSettings",
    "RolePlayConfig",
    "RolePlayForCausalLM",
    "RolePlayOutput",
    "Stream",
    "Streams",
    "media_inputs",
    "placed_media",
]
