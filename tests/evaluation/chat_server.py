"""OpenAI-compatible servers on the loopback: one that judges by a rule, and llama.cpp's with a real model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.serving import running

Rule = Callable[[dict[str, Any]], str | tuple[int, str]]
"""From the request's body to the answer's text, or to a status and an error."""

_LLAMA = """
import sys, time, xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.n_ctx, parameters.n_parallel, parameters.port = 4096, 1, 0
parameters.cpuparams.n_threads = 2
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


class ChatServer(ThreadingHTTPServer):
    """Answers chat completions by a rule, and remembers what it was asked."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rule = rule
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        self.server.keys.append(self.headers.get("Authorization"))
        answer = self.server.rule(body)
        status, text = (200, answer) if isinstance(answer, str) else answer
        message = {
            "choices": [{"message": {"content": text}}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10},
        }
        data = json.dumps(message).encode() if status == 200 else text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        """Be quiet."""


def serving(rule: Rule) -> AbstractContextManager[ChatServer]:
    return running(ChatServer(rule))


@contextmanager
def llama_cpp(gguf: Path) -> Iterator[str]:
    """The base URL of llama.cpp's server with a model file."""
    process = subprocess.Popen(
        [sys.executable, "-c", _LLAMA, str(gguf)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        address = next(line.strip() for line in process.stdout if line.startswith("http"))
        yield f"{address}/v1"
    finally:
        process.kill()
        process.wait()
