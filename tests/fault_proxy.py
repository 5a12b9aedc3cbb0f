"""A proxy in front of a store's emulator that counts what passes, and does to it what networks and services do."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asked: `path` is decoded and has no query, `at` is on the monotonic clock."""

    method: str
    path: str
    query: str
    at: float


@dataclass(frozen=True)
class Refusal:
    """The proxy itself answers, with an error; the store sees nothing."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Reset:
    """The connection is reset after so many bytes of the body; with None, in place of the answer the store gave."""

    after: int | None


@dataclass(frozen=True)
class Truncated:
    """The connection is closed after so many bytes of a body that was announced to be longer."""

    after: int


@dataclass(frozen=True)
class Slow:
    """The body comes in ten pieces, with pauses of so many seconds."""

    pause: float


@dataclass(frozen=True)
class Silence:
    """Nothing comes any more after so many bytes of the body; with None, nothing at all, and the store sees nothing."""

    after: int | None = None


Fault = Refusal | Reset | Truncated | Slow | Silence


class FaultProxy(ThreadingHTTPServer):
    """The proxy: `url` is its address, `seen` what was asked, `received` the bytes of all bodies that clients got.

    `fault` tells what happens to a request; None lets it pass.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        parts = urlsplit(upstream)
        self.upstream = (parts.hostname or "", parts.port or 80)
        self.url = f"http://127.0.0.1:{self.server_address[1]}{parts.path}"
        self.fault: Callable[[Request], Fault | None] = lambda _request: None
        self.seen: list[Request] = []
        self.received = 0
        self.ended = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def note(self, request: Request) -> Fault | None:
        """Keeps a request, and gives what is to happen to it; one at a time, so that `fault` may count."""
        with self._lock:
            self.seen.append(request)
            return self.fault(request)

    def count(self, size: int) -> None:
        with self._lock:
            self.received += size

    def stop(self) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of connections that a client has closed."""


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    @property
    def proxy(self) -> FaultProxy:
        return cast("FaultProxy", self.server)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Keeps the tests' output free of requests."""

    def pass_on(self) -> None:
        parts = urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.note(Request(self.command, unquote(parts.path), parts.query, time.monotonic()))
        match fault:
            case Refusal():
                self.answer(fault.status, fault.headers, fault.body.encode(), None)
                return
            case Silence(after=None):
                self.proxy.ended.wait()
                self.close_connection = True
                return
            case _:
                answer, content = self.ask(sent)
        if isinstance(fault, Reset) and fault.after is None:
            self.hang_up(reset=True)
            return
        told = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_A_CONNECTION}
        self.answer(answer.status, told, content, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on

    def ask(self, sent: bytes) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection(*self.proxy.upstream, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _OF_A_CONNECTION:
                    connection.putheader(name, value)
            connection.endheaders(sent)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def answer(self, status: int, headers: Mapping[str, str], content: bytes, fault: Fault | None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204 and "content-length" not in {name.lower() for name in headers}:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.proxy.count(len(content))
        match fault:
            case Reset(after=int() as after) | Truncated(after=after) | Silence(after=int() as after):
                self.wfile.write(content[:after])
                self.wfile.flush()
                if isinstance(fault, Silence):
                    self.proxy.ended.wait()
                self.hang_up(reset=isinstance(fault, Reset))
            case Slow(pause):
                step = len(content) // 10 + 1
                for start in range(0, len(content), step):
                    self.wfile.write(content[start : start + step])
                    self.wfile.flush()
                    time.sleep(pause)
            case _:
                self.wfile.write(content)

    def hang_up(self, *, reset: bool) -> None:
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


_OF_A_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding"})
