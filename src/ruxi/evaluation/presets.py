"""Presets: which tasks, on which data, with how many items, so that models are measured alike by one word.

`full` is everything that a page of results should stand on. `quick` asks the same questions of fewer items, with
shorter prompts; its items depend on the seed alone, so that every model gets the same ones. Data sets are named as
`ruxi data import` names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ruxi.errors import UsageError

Options = Mapping[str, Any]

OF_A_SET = frozenset({"pool", "trained_on"})
"""Options that name another data set; in a preset by its name, among those that are given."""

FULL: Mapping[str, Options] = {
    "reply_likelihood@mmrole-bench": {},
    "next_reply@mmrole-bench": {},
    "next_reply_same_role@mmrole-bench": {"pool": "mmrole"},
    "media_gain@mmrole-bench": {"candidates": 20, "trained_on": "mmrole"},
    "caption@flickr8k": {"items": 200},
    "weather@weather": {},
    "emotion_text@meld": {"items": 1000},
    "emotion_voice@ravdess": {},
    "emotion_face@fer2013": {"items": 350},
    "intent@cped": {"items": 300},
    "persona@persona-chat": {"items": 300},
    "introduction@mmrole-bench": {"languages": ["en"], "max_tokens": 48},
    "drift@mmrole": {"items": 300, "languages": ["en"]},
    "speaker_identification@mmrole-bench": {"items": 100, "pool": "mmrole"},
    "guards@mmrole-bench": {"items": 100},
    "reward@mmrole-bench": {"items": 100},
    "latency@mmrole-bench": {"items": 100},
}

_SHORT = {"context_tokens": 384, "persona_tokens": 128}

QUICK: Mapping[str, Options] = {
    "reply_likelihood@mmrole-bench": {**_SHORT, "items": 48},
    "next_reply@mmrole-bench": {**_SHORT, "items": 40, "reply_tokens": 48},
    "next_reply_same_role@mmrole-bench": {**_SHORT, "items": 16, "reply_tokens": 48, "pool": "mmrole"},
    "media_gain@mmrole-bench": {**_SHORT, "items": 40, "reply_tokens": 96, "trained_on": "mmrole"},
    "caption@flickr8k": {**_SHORT, "items": 48},
    "weather@weather": {**_SHORT, "items": 48},
    "emotion_text@meld": {**_SHORT, "items": 100},
    "emotion_voice@ravdess": {**_SHORT, "items": 80},
    "emotion_face@fer2013": {**_SHORT, "items": 105},
    "intent@cped": {**_SHORT, "items": 50},
    "persona@persona-chat": {**_SHORT, "items": 48},
    "introduction@mmrole-bench": {**_SHORT, "items": 48, "languages": ["en"], "max_tokens": 48},
    "drift@mmrole": {"items": 24, "languages": ["en"], "reply_tokens": 48},
    "speaker_identification@mmrole-bench": {**_SHORT, "items": 12, "pool": "mmrole"},
    "guards@mmrole-bench": {**_SHORT, "items": 12},
    "reward@mmrole-bench": {**_SHORT, "items": 12},
    "latency@mmrole-bench": {**_SHORT, "items": 12},
}

PRESETS: Mapping[str, Mapping[str, Options]] = {"full": FULL, "quick": QUICK}


def preset(name: str) -> Mapping[str, Options]:
    """The tasks of a preset, as `task@data`, with their options.

    Raises:
        UsageError: There is none of this name.
    """
    if name not in PRESETS:
        raise UsageError(f"no preset is called {name!r}", where="--preset", remedy=f"Known: {', '.join(PRESETS)}.")
    return PRESETS[name]
