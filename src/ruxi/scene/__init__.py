"""A character on stage: what it perceives, what it answers, and the dialogue that is kept."""

from ruxi.scene.reply import Heard, Reply, Timings, Usage
from ruxi.scene.scene import Scene
from ruxi.scene.speaking import ReplyStream
from ruxi.scene.voice import PiperVoice, Voice

__all__ = ["Heard", "PiperVoice", "Reply", "ReplyStream", "Scene", "Timings", "Usage", "Voice"]
