"""A stage in Azure signs in as its managed identity, in Glacier's own requests and in Polars' scans."""

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

CLIENT = "11111111-2222-3333-4444-555555555555"
SCRIPT = """
from glacier.providers import AzureProvider
import sys

bucket = AzureProvider(storage_account="acmedata", endpoint_url=sys.argv[1]).bucket("raw", path="orders.parquet")
print(bucket.exists(), bucket.scan().collect()["id"].sum())
"""


class Machine:
    """What a Container Apps replica sees: an endpoint that gives tokens, and here also the account, with one blob."""

    def __init__(self) -> None:
        buffer = io.BytesIO()
        pl.DataFrame({"id": [1, 2, 3]}).write_parquet(buffer)
        self.blob = buffer.getvalue()
        self.asked: list[dict[str, list[str]]] = []
        self.bearers: set[str | None] = set()
        machine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                machine.answer(self)

            def do_HEAD(self) -> None:
                machine.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that its base has
                del format, args

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        url = urlsplit(request.path)
        status, body, more = 404, b"", dict[str, str]()
        if url.path == "/msi/token" and request.headers["X-IDENTITY-HEADER"] == "a-header":
            self.asked.append(parse_qs(url.query))
            token = b'{"access_token": "a-token", "expires_on": "9999999999", "resource": "r", "token_type": "Bearer"}'
            status, body = 200, token
        elif url.path == "/acmedata/raw/orders.parquet":
            self.bearers.add(request.headers["Authorization"])
            given = request.headers.get("Range") or request.headers.get("x-ms-range")
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", given or "")
            start, stop = (int(found[1]), int(found[2]) + 1) if found else (0, len(self.blob))
            status, body = (206 if found else 200), self.blob[start:stop]
            more = {"Content-Range": f"bytes {start}-{start + len(body) - 1}/{len(self.blob)}"} if found else {}
            more |= {"ETag": '"1"', "Last-Modified": "Mon, 01 Jul 2024 00:00:00 GMT"}
        request.send_response(status)
        for name, value in {**more, "Content-Length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)


@pytest.fixture
def machine() -> Generator[Machine]:
    made = Machine()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_stage_signs_in_as_the_identity_that_its_job_names(machine: Machine) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
    told = {
        **kept,
        "IDENTITY_ENDPOINT": f"{machine.url}/msi/token",
        "IDENTITY_HEADER": "a-header",
        "AZURE_CLIENT_ID": CLIENT,
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"{machine.url}/acmedata"],
        env=told, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "True 6\n", done.stderr
    assert machine.bearers == {"Bearer a-token"}
    assert len(machine.asked) >= 2  # Glacier's client asks, and Polars' own
    for asked in machine.asked:
        assert asked["client_id"] == [CLIENT]
        assert asked["resource"] == ["https://storage.azure.com"]
