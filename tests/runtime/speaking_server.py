"""A server of the OpenAI API on the loopback that follows a script, faults and all, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.serving import running

Body = dict[str, Any]


@dataclass
class Answer:
    """What the server does with one request.

    Attributes:
        pieces: Words, one event each.
        status: Anything but 200 sends `text` instead.
        text: Body of a refusal, or of an answer that is not streamed.
        finish: Reason of the end; None leaves it out.
        cut: Drop the connection after the pieces.
        hang_up: Drop it without a word.
        pause: Seconds between pieces.
        retry_after: Header of that name.
        events: Sent after the pieces, as they are.
    """

    pieces: Sequence[str] = ()
    status: int = 200
    text: str = ""
    finish: str | None = "stop"
    cut: bool = False
    hang_up: bool = False
    pause: float = 0.0
    retry_after: str | None = None
    events: Sequence[Body] = field(default_factory=list)


Script = Callable[[Body], Answer]


class SpeakingServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, script: Script, models: Sequence[Body] | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.models = models
        self.asked: list[Body] = []
        self.keys: list[str | None] = []
        self.sent = 0
        self.hung_up = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """Be quiet about clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: SpeakingServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.server.models is None:
            self._whole(404, "not found")
        else:
            self._whole(200, json.dumps({"object": "list", "data": self.server.models}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({**body, "path": self.path})
        self.server.keys.append(self.headers.get("Authorization"))
        answer = self.server.script(body)
        if answer.hang_up:
            self.close_connection = True
            return
        if answer.status != 200 or answer.text:
            self._whole(answer.status, answer.text, answer.retry_after)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self._event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]})
            for piece in answer.pieces:
                self._event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
                self.server.sent += 1
                time.sleep(answer.pause)
            if answer.cut:
                self.close_connection = True
                return
            for event in answer.events:
                self._event(event)
            if answer.finish:
                self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": answer.finish}]})
                usage = {"prompt_tokens": 77, "completion_tokens": len(answer.pieces) + 1}
                self._event({"choices": [], "usage": usage})
            self._chunk(b"data: [DONE]\n\n")
            self._chunk(b"")
        except (BrokenPipeError, ConnectionResetError):
            self.server.hung_up.set()
            self.close_connection = True

    def _event(self, event: Body) -> None:
        self._chunk(b"data: " + json.dumps(event).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _whole(self, status: int, text: str, retry_after: str | None = None) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        """Be quiet."""


def speaking(script: Script, models: Sequence[Body] | None = ({"id": "m"},)) -> AbstractContextManager[SpeakingServer]:
    return running(SpeakingServer(script, models))
