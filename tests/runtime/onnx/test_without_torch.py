"""A bundle runs where neither torch nor transformers is installed, pictures included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ruxi.features import FeatureCache, load_extractor
from ruxi.media import open_medium
from ruxi.runtime.onnx.engine import OnnxEngine
from tests.media.samples import encoded_video
from tests.runtime.onnx.conftest import MEDIA, Pair, ask, tokens_of
from tests.runtime.talk import GREEDY, seeing
from tests.senses import as_file, png

BLOCKED = """
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "peft", "accelerate", "onnx"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import ruxi
"""


def run(script: str, *arguments: object, home: Path | None = None) -> object:
    """What a script prints as JSON in a Python that has no torch."""
    environment = {**os.environ, **({"RUXI_HOME": str(home)} if home else {})}
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + script, *map(str, arguments)],
        capture_output=True, text=True, env=environment, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_bundle_speaks_and_scores_without_torch(pairs: Callable[..., Pair]) -> None:
    pair = pairs()
    prompt = ask(pair.torch, seeing())
    script = """
import numpy as np
from ruxi.characters import Character
from ruxi.dialogues import Dialogue
from ruxi.features import FeatureSequence
from ruxi.runtime import Sampling

given = json.load(open(sys.argv[2]))
media = {
    name: FeatureSequence(np.array(values, np.float16), np.zeros((len(values), 2), np.float32))
    for name, values in given["media"].items()
}
talk, mira = Dialogue.model_validate(given["dialogue"]), Character.model_validate(given["character"])
with ruxi.load(sys.argv[1], engine="onnx", threads=1) as engine:
    prompt = engine.prompts.build(mira, talk)
    sampling = Sampling(temperature=0, repetition_penalty=1, no_repeat_ngram=0, max_tokens=24)
    tokens = [token for delta in engine.generate(prompt, media, sampling) for token in delta.token_ids]
    scored = engine.prompts.build(mira, talk, reply=False)
    scores = engine.log_likelihood([scored], media)[0].tolist()
print(json.dumps({"tokens": tokens, "scores": scores}))
"""
    from tests.runtime.onnx.conftest import MIRA

    given = pair.bundle.folder.parent / "given.json"
    given.write_text(
        json.dumps(
            {
                "media": {name: found.values.tolist() for name, found in MEDIA.items()},
                "dialogue": seeing().model_dump(mode="json"),
                "character": MIRA.model_dump(mode="json"),
            }
        )
    )
    found = run(script, pair.bundle.folder, given)
    assert isinstance(found, dict)
    assert found["tokens"] == tokens_of(pair.torch, prompt, GREEDY, MEDIA)
    expected = pair.torch.log_likelihood([ask(pair.torch, seeing(), reply=False)], MEDIA)[0]
    np.testing.assert_allclose(found["scores"], expected, atol=1e-3)


@pytest.fixture(scope="module")
def seeing_pair(pairs: Callable[..., Pair]) -> Pair:
    return pairs(modalities={"image": {"extractor": "efficientnet-lite0", "width": 1280, "tokens": 4}})


@pytest.mark.weights
def test_a_scene_with_a_picture_needs_no_torch(seeing_pair: Pair, tmp_path: Path) -> None:
    picture = as_file(tmp_path, "blue.png", png())
    script = """
from ruxi.runtime import Sampling

with ruxi.load(sys.argv[1], engine="onnx", threads=1) as engine:
    scene = ruxi.Scene(ruxi.Character(name="Mira"), engine)
    reply = scene.say("What is this?", image=sys.argv[2], sampling=Sampling(temperature=0, max_tokens=12))
print(json.dumps({"seen": [label.name for label in reply.seen], "text": reply.text}))
"""
    found = run(script, seeing_pair.bundle.folder, picture, home=tmp_path)
    assert isinstance(found, dict)
    medium = open_medium(picture, "image")
    assert found["seen"] == [label.name for label in load_extractor("efficientnet-lite0").extract(medium).labels]
    assert found["text"]


@pytest.mark.weights
def test_a_video_is_looked_at_by_the_bundles_eye_without_torch(pairs: Callable[..., Pair], tmp_path: Path) -> None:
    pair = pairs(modalities={"video": {"extractor": "video", "width": 1280, "tokens": 4}})
    film = as_file(tmp_path, "colours.mp4", encoded_video("mp4", "h264", seconds=2.0))
    script = """
from ruxi.features import FeatureCache
from ruxi.runtime import Sampling

with ruxi.load(sys.argv[1], engine="onnx", threads=1) as engine:
    scene = ruxi.Scene(ruxi.Character(name="Mira"), engine, cache=FeatureCache(sys.argv[3]))
    reply = scene.say("What is this?", video=sys.argv[2], sampling=Sampling(temperature=0, max_tokens=12))
print(json.dumps({"seen": [label.name for label in reply.seen], "text": reply.text}))
"""
    found = run(script, pair.bundle.folder, film, tmp_path / "features")
    assert isinstance(found, dict)
    expected = load_extractor("video").extract(open_medium(film, "video"))
    assert found["seen"] == [label.name for label in expected.labels]
    assert found["text"]


@pytest.mark.weights
def test_the_bundles_eye_sees_what_the_torch_one_sees_and_has_its_own_place_in_the_cache(
    seeing_pair: Pair, opened: Callable[..., OnnxEngine], tmp_path: Path
) -> None:
    name = opened(seeing_pair).extractor_names()["image"]
    mine, its = load_extractor(name), load_extractor("efficientnet-lite0")
    medium = open_medium(as_file(tmp_path, "red.png", png(200, 30, 60)), "image")
    found, expected = mine.extract(medium), its.extract(medium)
    assert found.values.shape == expected.values.shape == (49, 1280)
    np.testing.assert_allclose(found.values.astype(np.float32), expected.values.astype(np.float32), atol=5e-3)
    assert [label.name for label in found.labels] == [label.name for label in expected.labels]
    assert found.labels[0].score == pytest.approx(expected.labels[0].score, abs=1e-4)
    cache = FeatureCache(tmp_path / "features")
    cache.extract(mine, medium)
    assert cache.get(medium.sha256, its) is None
