"""A tiny random Llama in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_models import save_llama


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))
