"""Small pretrained parts in real wheels, and a real package index on loopback that serves them."""

from __future__ import annotations

import base64
import hashlib
import http.server
import os
import random
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ruxi.weights.catalogue import Part, PartFile, Piece, Wheel

ALPHA = random.Random(1).randbytes(300_000)
BETA = random.Random(2).randbytes(200_000)


def write_wheel(folder: Path, name: str, members: Mapping[str, bytes]) -> Path:
    """A valid wheel of version 1.0 whose package would shout if anybody imported it."""
    module = name.replace("-", "_")
    info = f"{module}-1.0.dist-info"
    content = {f"{module}/__init__.py": b"raise SystemExit('code of a parcel was run')", **members}
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
    content[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{path},sha256={_record_digest(data)},{len(data)}\n" for path, data in content.items())
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in content.items():
            archive.writestr(member, data)
    return path


def _record_digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def make_parts(folder: Path) -> dict[str, Part]:
    """Two parts in three wheels: `alpha` is one file and a small one, `beta` is joined from two pieces."""
    one = write_wheel(
        folder, "parcel-alpha", {"parcel_alpha/data/alpha.bin": ALPHA, "parcel_alpha/data/config.json": b"{}"}
    )
    head = write_wheel(folder, "parcel-beta-head", {"parcel_beta_head/beta.part1": BETA[:90_000]})
    tail = write_wheel(folder, "parcel-beta-tail", {"parcel_beta_tail/beta.part2": BETA[90_000:]})
    alpha = Part(
        name="alpha",
        role="test",
        licence="Apache-2.0",
        origin="https://example.org/alpha",
        wheels=(Wheel("parcel-alpha==1.0", one.stat().st_size),),
        files=(
            PartFile("alpha.bin", _sha256(ALPHA), (Piece(0, "parcel_alpha/data/alpha.bin", len(ALPHA)),)),
            PartFile("nested/config.json", _sha256(b"{}"), (Piece(0, "parcel_alpha/data/config.json", 2),)),
        ),
    )
    pieces = (Piece(0, "parcel_beta_head/beta.part1", 90_000), Piece(1, "parcel_beta_tail/beta.part2", 110_000))
    beta = Part(
        name="beta",
        role="test",
        licence="MIT",
        origin="https://example.org/beta",
        wheels=(
            Wheel("parcel-beta-head==1.0", head.stat().st_size),
            Wheel("parcel-beta-tail==1.0", tail.stat().st_size),
        ),
        files=(PartFile("model.bin", _sha256(BETA), pieces),),
    )
    return {"alpha": alpha, "beta": beta}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def ruxi_command(parts: Mapping[str, Part], *arguments: str, before: str = "") -> list[str]:
    """The command line of a real `ruxi` process whose catalogue is the given one.

    Args:
        parts: The catalogue.
        arguments: What the user types after `ruxi`.
        before: Python to run first.
    """
    script = (
        "from ruxi.weights.catalogue import *\n"
        f"PARTS.clear(); PARTS.update({dict(parts)!r})\n"
        f"{before}\n"
        "from ruxi.cli import main\n"
        "main()\n"
    )
    return [sys.executable, "-c", script, *arguments]


def ruxi(
    parts: Mapping[str, Part], *arguments: str, before: str = "", prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run `ruxi` on a catalogue of our own and wait for it."""
    command = [*prefix, *ruxi_command(parts, *arguments, before=before)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


class Index(http.server.ThreadingHTTPServer):
    """A package index (the "simple" protocol) over a folder of wheels, on loopback.

    Attributes:
        requests: How often each wheel was asked for.
        stop_after: Serve that many bytes of a wheel, then break the connection.
        break_once_at: The same, but only the first time.
        started: Set when the first bytes of a wheel went out.
        hold: Until it is set, a wheel stays at its first bytes.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.requests: Counter[str] = Counter()
        self.stop_after: int | None = None
        self.break_once_at: int | None = None
        self.started = threading.Event()
        self.hold = threading.Event()
        self.hold.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/simple/"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        name = self.path.rstrip("/").rpartition("/")[2]
        if name.endswith(".whl"):
            self._serve_wheel(name)
            return
        links = "".join(
            f'<a href="/files/{wheel.name}">{wheel.name}</a>'
            for wheel in self.server.folder.glob(f"{name.replace('-', '_')}-1.0-*.whl")
        )
        self._head(200 if links else 404, "text/html", len(links))
        self.wfile.write(links.encode())

    def _serve_wheel(self, name: str) -> None:
        self.server.requests[name] += 1
        data = (self.server.folder / name).read_bytes()
        self._head(200, "application/octet-stream", len(data))
        self.wfile.write(data[:1000])
        self.wfile.flush()
        self.server.started.set()
        self.server.hold.wait(60)
        self.wfile.write(data[1000 : self.server.break_once_at or self.server.stop_after])
        self.server.break_once_at = None
        self.close_connection = True

    def _head(self, status: int, kind: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Stay quiet."""


@contextmanager
def serving(folder: Path) -> Iterator[Index]:
    """An index that runs during the block."""
    index = Index(folder)
    thread = threading.Thread(target=index.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        index.hold.set()
        index.shutdown()
        index.server_close()


def pip_environment(**settings: str) -> dict[str, str]:
    """Settings that make pip see only what a test gives it."""
    foreign = {name for name in os.environ if name.startswith("PIP_")}
    return dict.fromkeys(foreign, "") | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
        "PIP_DEFAULT_TIMEOUT": "20",
        "PIP_RESUME_RETRIES": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **settings,
    }
