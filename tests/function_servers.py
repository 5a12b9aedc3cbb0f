"""A server on loopback, over TLS, that speaks as the clouds' functions do, and checks who asks."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

Reply = tuple[int, dict[str, str], bytes]
"""Status, headers and body of an answer."""


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """What was asked, and what is answered: the first of `replies`, the last of them ever after."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    replies: list[Callable[[Asked], Reply]] = field(default_factory=list[Callable[[Asked], Reply]])

    def answer(self, *replies: Reply | Callable[[Asked], Reply]) -> None:
        self.replies = [reply if callable(reply) else partial(_always, reply) for reply in replies]
        self.asked.clear()


def _always(reply: Reply, asked: Asked) -> Reply:
    del asked
    return reply


def certificate(folder: Path) -> Path:
    """Makes a certificate for 127.0.0.1 that signs itself, with its key in the same file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "loopback.pem"
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return file


@contextmanager
def serving(pem: Path | None = None) -> Generator[Server]:
    """Serves until the block ends; over TLS with a certificate."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            state.asked.append(asked)
            reply = state.replies[0] if len(state.replies) == 1 else state.replies.pop(0)
            status, sent, content = reply(asked)
            try:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **sent}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
            except OSError:  # who asked has gone
                self.close_connection = True

        do_GET = do_HEAD = do_POST

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the parent's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    state.url = f"{'https' if pem else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def identity_token(audience: str) -> str:
    """Gives a token in the form of Google's, signed by nobody."""
    parts = {"alg": "none", "typ": "JWT"}, {"aud": audience, "exp": int(time.time()) + 3600, "iat": int(time.time())}
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, base64.urlsafe_b64encode(b"none").rstrip(b"=").decode()])
