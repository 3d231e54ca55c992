"""`ruxi pull` and `ruxi doctor` as a user or a program meets them: output, exit codes, one line for a mistake."""

from __future__ import annotations

import dataclasses
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ruxi.cli.diagnosis import Finding, working
from ruxi.weights import Store, pull
from ruxi.weights.catalogue import Part
from tests.weights.parcels import ALPHA, ruxi, ruxi_command, serving

CORE = ("smollm2-135m-instruct", "efficientnet-lite0", "whisper-base", "all-minilm-l6-v2")


@pytest.fixture
def core(parts: dict[str, Part], environment: Path) -> dict[str, Part]:
    """A catalogue with the names of the real parts of the core, installed, and small."""
    named = {name: dataclasses.replace(parts["alpha"], name=name) for name in CORE}
    # The same bytes under every name: one download is enough.
    pull([CORE[0]], store=Store(parts=named))
    for name in CORE[1:]:
        shutil.copytree(environment / CORE[0], environment / name)
    return named


def test_pull_prints_where_each_part_is(parts: dict[str, Part], store: Store) -> None:
    result = ruxi(parts, "pull")
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        f"alpha: installed in {store.root / 'alpha'}",
        f"beta: installed in {store.root / 'beta'}",
    ]
    assert "alpha: downloading 0 MB" in result.stderr
    assert ruxi(parts, "pull", "beta").stdout == f"beta: present in {store.root / 'beta'}\n"


def test_pull_json_is_one_object(parts: dict[str, Part], store: Store) -> None:
    answer = json.loads(ruxi(parts, "pull", "--json", "alpha").stdout)
    (part,) = answer["parts"]
    assert answer["store"] == str(store.root)
    assert (part["name"], part["status"], part["bytes"]) == ("alpha", "installed", parts["alpha"].download_size)
    assert Path(part["folder"], "alpha.bin").read_bytes() == ALPHA


def test_pull_list_gets_nothing(parts: dict[str, Part], store: Store) -> None:
    pull(["alpha"], store=store)
    text = ruxi(parts, "pull", "--list").stdout
    assert "alpha: installed" in text
    assert "beta: not installed" in text
    assert "licence MIT" in text
    rows = {row["name"]: row for row in json.loads(ruxi(parts, "pull", "--list", "--json").stdout)["parts"]}
    assert rows["beta"]["state"] == "not installed"
    assert rows["beta"]["packages"] == ["parcel-beta-head==1.0", "parcel-beta-tail==1.0"]
    assert rows["alpha"]["sha256"]["alpha.bin"] == parts["alpha"].files[0].sha256
    assert not (store.root / "beta").exists()


@pytest.mark.parametrize(("arguments", "code"), [(["nope"], 2), (["--no-such-option"], 2)])
def test_wrong_usage_ends_with_code_2(parts: dict[str, Part], store: Store, arguments: list[str], code: int) -> None:
    result = ruxi(parts, "pull", *arguments)
    assert result.returncode == code
    assert "Traceback" not in result.stderr


def test_a_failure_ends_with_code_1_and_one_line(parts: dict[str, Part], store: Store, wheels: Path) -> None:
    next(wheels.glob("parcel_beta_tail*")).unlink()
    result = ruxi(parts, "pull", "beta", "--json")
    assert result.returncode == 1
    assert result.stdout == ""
    assert [line for line in result.stderr.splitlines() if line.startswith("ruxi: ")] == [
        result.stderr.splitlines()[-1]
    ]


def test_a_terminal_shows_a_bar_with_bytes(
    parts: dict[str, Part], environment: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    terminal, device = pty.openpty()
    with serving(wheels) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        index.hold.clear()
        process = subprocess.Popen(ruxi_command(parts, "pull", "alpha"), stdout=subprocess.PIPE, stderr=device)
        os.close(device)
        shown = b""
        while b"alpha" not in shown or b"kB" not in shown or b"downloading" not in shown:
            shown += os.read(terminal, 4096)
        index.hold.set()
        assert process.wait(timeout=30) == 0
    os.close(terminal)
    assert f"0.0/{parts['alpha'].download_size / 1000:.1f} kB" in shown.decode(errors="replace")


def test_doctor_is_content_with_a_complete_core(core: dict[str, Part]) -> None:
    result = ruxi(core, "doctor", "--json")
    answer = json.loads(result.stdout)
    assert (result.returncode, answer["ok"]) == (0, True), answer
    found = {finding["name"]: finding for finding in answer["findings"]}
    assert {"python", "processor", "memory", "disk", "gpu", "torch", "transformers", *CORE} <= found.keys()
    assert found["torch"]["detail"].startswith("2.")
    assert answer["commands"]["pull"] is True


def test_doctor_on_an_empty_store_names_every_remedy(environment: Path) -> None:
    script = ["-c", "from ruxi.cli import main; main()", "doctor"]
    result = subprocess.run([sys.executable, *script], capture_output=True, text=True)
    assert result.returncode == 1
    for name in CORE:
        assert f"missing  {name}: " in result.stdout
        assert f"Run `ruxi pull {name}`." in result.stdout
    assert "optional piper-joe: " in result.stdout
    waiting = next(line for line in result.stdout.splitlines() if "need something from above" in line)
    assert "make demo" in waiting
    assert not environment.exists()


def test_doctor_verify_hashes_the_bytes_again(core: dict[str, Part], environment: Path) -> None:
    (environment / "whisper-base" / "alpha.bin").write_bytes(b"x" + ALPHA[1:])
    assert ruxi(core, "doctor").returncode == 0
    result = ruxi(core, "doctor", "--verify")
    assert result.returncode == 1
    assert "missing  whisper-base: test: alpha.bin is damaged (SHA-256" in result.stdout


def test_doctor_finds_a_library_that_cannot_be_imported(core: dict[str, Part]) -> None:
    result = ruxi(core, "doctor", before="import sys; sys.modules['soundfile'] = None")
    assert result.returncode == 1
    assert "missing  soundfile: 0." in result.stdout
    assert "cannot be imported" in result.stdout
    assert "Run `pip install 'soundfile>=0.13'`." in result.stdout


def test_doctor_tells_an_extra_that_is_absent_from_one_that_is_needed(core: dict[str, Part]) -> None:
    hide = (
        "import importlib.metadata as m; real = m.version\n"
        "def version(name):\n"
        "    if name == 'piper-tts': raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version"
    )
    result = ruxi(core, "doctor", before=hide)
    assert result.returncode == 0
    assert "optional voice: piper-tts is not installed. Run `pip install 'ruxi[voice]'`." in result.stdout


def test_a_command_works_if_all_that_it_needs_is_there() -> None:
    fine = [Finding("parts", name, "ok", "") for name in (*CORE, "piper-joe")]
    fine.append(Finding("extras", "voice", "ok", ""))
    assert working(["chat", "pull", "make demo"], fine) == {"chat": True, "pull": True, "make demo": True}
    no_voice = [*fine[:-1], Finding("extras", "voice", "optional", "")]
    assert working(["chat", "make demo"], no_voice) == {"chat": True, "make demo": False}
    no_torch = [*fine, Finding("libraries", "torch", "missing", "")]
    assert working(["chat", "pull"], no_torch) == {"chat": False, "pull": True}
