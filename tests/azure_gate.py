"""A gate before Azurite, on loopback: lets requests through that an identity is allowed, and notes what was asked.

Azurite knows no roles. What a request takes in Azure is read off it here: "Permissions for Blob service operations".
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from glacier.infrastructure.azure.access import BATCH
from glacier.infrastructure.azure.conditions import DELETE, READ, WRITE
from permissions_azure import LIST

Right = tuple[str, str, str]
"""An action, a container, a path or the prefix of a listing."""


class AzureGate:
    """The gate.

    Attributes:
        url: of an account's blobs, through the gate.
        may: tells whether an action, a container and a path are allowed.
        used: what was asked and allowed.
        denied: what was asked and not allowed.
    """

    def __init__(self, behind: str) -> None:
        where = urlsplit(behind)
        self.behind = f"{where.hostname}:{where.port}"
        self.may: Callable[[str, str, str], bool] = _anything
        self.used: set[Right] = set()
        self.denied: set[Right] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}{where.path}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()

    def passes(self, asked: list[Right]) -> bool:
        """Notes what is asked; tells whether all of it is allowed."""
        refused = {right for right in asked if not self.may(*right)}
        self.denied |= refused
        self.used |= {*asked} - refused
        return not refused


def _anything(action: str, container: str, path: str) -> bool:
    del action, container, path
    return True


def rights(method: str, target: str, headers: Any, body: bytes) -> list[Right]:
    """Gives what a request takes."""
    url = urlsplit(target)
    query = parse_qs(url.query, keep_blank_values=True)
    container, path = _place(url.path)
    match method, query.get("comp", [""])[0]:
        case "GET", "list":
            return [(LIST, container, query.get("prefix", [""])[0])]
        case "POST", "batch":
            gone = re.findall(r"^DELETE (\S+) HTTP/1\.1\r$", body.decode(), re.MULTILINE)
            assert gone, "a batch of something else"
            paths = [one.partition(f"/{container}/")[2].partition("?")[0] for one in gone]
            return [(BATCH, container, ""), *((DELETE, container, unquote(one)) for one in paths)]
        case "GET" | "HEAD", "":
            return [(READ, container, path)]
        case "PUT", "" | "block" | "blocklist":
            source: str | None = headers.get("x-ms-copy-source")
            read = [(READ, *_place(urlsplit(source).path))] if source else []
            return [*read, (WRITE, container, path)]
        case "DELETE", "":
            return [(DELETE, container, path)]
        case _:
            raise AssertionError(f"not known: {method} {target}")


def _place(path: str) -> tuple[str, str]:
    _, _account, container, *rest = path.split("/", 3)
    return container, unquote(rest[0]) if rest else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, gate: AzureGate, *args: Any) -> None:
        self.gate = gate
        super().__init__(*args)

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.gate.passes(rights(self.command, self.path, self.headers, body)):
            self._send(403, {"x-ms-error-code": "AuthorizationPermissionMismatch"}, b"")
            return
        connection = http.client.HTTPConnection(self.gate.behind, timeout=60)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            self._send(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in (
                "content-length",
                "transfer-encoding",
                "connection",
                "keep-alive",
                "date",
                "server",
            ):
                self.send_header(name, value)
        length = headers.get("content-length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that its base has
        del format, args
