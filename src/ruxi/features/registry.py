"""Extractors by name: built-ins and other people's parts come in by the entry points `ruxi.extractors`.

A name may carry an argument after a colon: `hf-vision:google/siglip-base-patch16-224`. What is registered is called
with that argument, or without any, and gives the extractor.
"""

from __future__ import annotations

import inspect
from typing import Any

from ruxi import plugins
from ruxi.errors import UsageError
from ruxi.features.types import Extractor


def load_extractor(name: str, **settings: Any) -> Extractor:
    """Make an extractor.

    Args:
        name: What is registered under `ruxi.extractors`, with its argument after a colon if it takes one.
        settings: What else the extractor's class takes, for example `threads=2`.

    Raises:
        UsageError: Nothing is registered under that name, or it takes no such setting or argument.
    """
    kind, colon, argument = name.partition(":")
    make = plugins.load("extractors", kind)
    arguments = (argument,) if colon else ()
    try:
        inspect.signature(make).bind(*arguments, **settings)
    except TypeError as error:
        raise UsageError(str(error), where=f"extractor {name!r}") from error
    extractor = make(*arguments, **settings)
    if not isinstance(extractor, Extractor):
        raise UsageError("what is registered is not an extractor", where=f"extractor {name!r}")
    return extractor
