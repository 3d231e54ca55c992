"""The part of the Hugging Face hub's protocol that a snapshot needs, on loopback."""

from __future__ import annotations

import hashlib
import http.server
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from tests.serving import running

COMMIT = "a" * 40


class Hub(http.server.ThreadingHTTPServer):
    """One repository, `owner/model`, with one commit on `main`; `owner/gated` is refused.

    Attributes:
        files: What the repository holds.
        served: The files that somebody downloaded.
    """

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.served: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        files = self.server.files
        if path == "/api/models/owner/model/revision/main":
            siblings = [{"rfilename": name} for name in files]
            self._json({"id": "owner/model", "sha": COMMIT, "siblings": siblings, "private": False})
        elif path.startswith("/api/models/owner/model/tree/"):
            self._json(
                [
                    {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for name, data in files.items()
                ]
            )
        elif path.startswith(f"/owner/model/resolve/{COMMIT}/"):
            name = path.partition(f"{COMMIT}/")[2]
            if self.command == "GET":
                self.server.served.append(name)
            etag = hashlib.sha1(files[name]).hexdigest()
            self._answer(200, files[name], {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})
        elif path.startswith("/api/models/owner/model/"):
            self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        elif path.startswith("/api/models/owner/gated/"):
            self._answer(403, b"", {"X-Error-Code": "GatedRepo"})
        else:
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _json(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Stay quiet."""


def serving(files: Mapping[str, bytes]) -> AbstractContextManager[Hub]:
    """A hub that runs during the block."""
    return running(Hub(files))
