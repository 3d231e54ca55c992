"""A scene with a scripted engine and small senses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ruxi.characters import Character
from ruxi.features import FeatureCache
from ruxi.scene import Scene
from tests.scripted import ScriptedEngine
from tests.senses import senses

MIRA = Character(
    name="Mira",
    description="{{char}} flies an airship for {{user}}.",
    first_mes="Welcome aboard, {{user}}!",
    extensions={"ruxi": {"language": "en", "translations": {"zh": {"name": "米拉", "first_mes": "{{user}}，欢迎！"}}}},
)

SceneMaker = Callable[..., Scene]


@pytest.fixture
def make_scene(tmp_path: Path) -> SceneMaker:
    def make(*replies: str, engine: ScriptedEngine | None = None, **options: Any) -> Scene:
        options.setdefault("extractors", senses())
        speaking = engine or ScriptedEngine(*(replies or ("Aye.",)), extractors={"image": "eyes", "audio": "ears"})
        return Scene(MIRA, speaking, cache=FeatureCache(tmp_path / "features"), **options)

    return make
