"""The one door through which pictures, sound and video come in, and their time axis."""

from ruxi.media.addresses import Network
from ruxi.media.audio import open_audio
from ruxi.media.folder import MediaFolder
from ruxi.media.images import open_image
from ruxi.media.limits import Limits
from ruxi.media.medium import open_medium
from ruxi.media.types import SAMPLE_RATE, Audio, Image, Kind, Medium, Video
from ruxi.media.video import open_video

__all__ = [
    "SAMPLE_RATE",
    "Audio",
    "Image",
    "Kind",
    "Limits",
    "MediaFolder",
    "Medium",
    "Network",
    "Video",
    "open_audio",
    "open_image",
    "open_medium",
    "open_video",
]
