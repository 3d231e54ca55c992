"""Libraries of the extra `data`, imported when they are needed, with an error that says how to get them."""

from __future__ import annotations

import importlib
from typing import Any

from ruxi.errors import DataError


def require_extra(module: str) -> Any:
    """Import a library of the extra `data`.

    Raises:
        DataError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f"the package {module.split('.')[0]!r} is not installed ({error})",
            remedy="Install it with: pip install 'ruxi[data]'.",
        ) from None
