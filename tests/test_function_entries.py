"""Functions' archives, unpacked and called by what each cloud calls functions with, over loopback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any, cast

import pytest

from glacier.deployment.packaging import GCP_ENTRY_POINT, Platform, archive_of
from seaweedfs import free_ports
from test_packaging import beside, only_azure_library, project

ANSWER = {"text": "HI", "rate": 2, "model": "{}", "name": "sums", "left": True}


def unpacked(folder: Path, platform: Platform) -> Path:
    made = archive_of(beside(project(folder / "project"), runtime="python3.12"), platform)
    zipfile.ZipFile(io.BytesIO(made.content)).extractall(folder / "app")
    return folder / "app"


@contextmanager
def running(command: list[str], folder: Path, ready: str, **environment: str) -> Generator[subprocess.Popen[str]]:
    """A process that runs until the block ends, once it has said that it is ready; an empty text needs no saying."""
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said: list[str] = []
        while ready and ready not in (said or [""])[-1]:
            line = process.stdout.readline()
            assert line, "".join(said)
            said.append(line)
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def posted(url: str, body: bytes) -> tuple[int, Any]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def test_google_calls_it(tmp_path: Path) -> None:
    app, (port,) = unpacked(tmp_path, "gcp"), free_ports(1)
    program = f"from functions_framework import create_app; create_app({GCP_ENTRY_POINT!r}).run(port={port})"
    with running([sys.executable, "-c", program], app, "Running on", PYTHONDONTWRITEBYTECODE="1"):
        assert posted(f"http://127.0.0.1:{port}/", b'{"text": "hi"}') == (200, ANSWER)
        status, told = posted(f"http://127.0.0.1:{port}/", b"")
    assert (status, told["errorType"], told["errorMessage"]) == (500, "ValueError", "no event")


CALL = """
import json, function_app, azure.functions as func
(found,) = function_app.app.get_functions()
(trigger, _) = (binding.get_dict_repr() for binding in found.get_bindings())
assert trigger["type"] == "httpTrigger" and trigger["route"] == "sums"
for body in (b'{"text": "hi"}', b""):
    answer = found.get_user_function()(func.HttpRequest("POST", "/api/sums", body=body))
    print(json.dumps([answer.status_code, answer.mimetype, json.loads(answer.get_body())]))
"""


def test_azure_calls_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only_azure_library(tmp_path, "1.26.0", monkeypatch)
    app = unpacked(tmp_path, "azure")  # the real library is that of this environment
    done = subprocess.run([sys.executable, "-c", CALL], cwd=app, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    good, bad = (json.loads(line) for line in done.stdout.splitlines())
    assert good == [200, "application/json", ANSWER]
    assert (bad[0], bad[2]["errorType"]) == (500, "ValueError")


class RuntimeApi(ThreadingHTTPServer):
    """Lambda's runtime API: a function asks it for the next event, and posts its answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RuntimeRequests)
        self.events: Queue[bytes] = Queue()
        self.answers: Queue[tuple[str, Any]] = Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class RuntimeRequests(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = cast("RuntimeApi", self.server).events.get()
        self.send_response(200)
        for name, value in (
            ("Lambda-Runtime-Aws-Request-Id", "id"),
            ("Lambda-Runtime-Deadline-Ms", "99999999999999"),
            ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:sums"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        cast("RuntimeApi", self.server).answers.put((self.path.rsplit("/", 1)[-1], json.loads(body)))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Says nothing."""


@pytest.mark.skipif(sys.platform != "linux", reason="Lambda's runtime client is for Linux")
def test_lambda_calls_it(tmp_path: Path) -> None:
    app, api = unpacked(tmp_path, "lambda-x86_64"), RuntimeApi()
    told = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_address[1]}",
        "AWS_LAMBDA_FUNCTION_NAME": "sums",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "LAMBDA_TASK_ROOT": str(app),
    }
    with running([sys.executable, "-m", "awslambdaric", "process.handler"], app, "", **told):
        api.events.put(b'{"text": "hi"}')
        assert api.answers.get(timeout=30) == ("response", ANSWER)
        api.events.put(b"null")
        kind, failure = api.answers.get(timeout=30)
    assert (kind, failure["errorType"], failure["errorMessage"]) == ("error", "ValueError", "no event")
    api.shutdown()
    api.server_close()
