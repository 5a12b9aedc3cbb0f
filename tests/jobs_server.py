"""A server on loopback that speaks as Azure Container Apps' jobs and a machine's managed identity do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SECRET = "the-machine's-secret"
CLIENT = "11111111-2222-3333-4444-555555555555"


@dataclass
class Job:
    """One job: what it runs, and how its executions go.

    Attributes:
        looks: how often an execution is still running when somebody looks.
        ends: its status after that.
        tells: whether the answer to a start names the execution.
        refuses: statuses with which the next requests to start it are answered.
    """

    template: dict[str, Any]
    looks: int = 1
    ends: str = "Succeeded"
    tells: bool = True
    refuses: list[int] = field(default_factory=list[int])
    executions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@dataclass
class Jobs:
    """The server: jobs by their ids, and what happened, in order.

    Attributes:
        tokens: how many were given.
        lasts: for how many seconds each is good.
    """

    url: str = ""
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    happened: list[str] = field(default_factory=list[str])
    tokens: int = 0
    lasts: float = 86_400
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, **options: Any) -> str:
        """Adds a job; gives its id."""
        job = f"/subscriptions/s/resourceGroups/g/providers/Microsoft.App/jobs/{name}"
        container = {
            "name": "main",
            "image": "acme.azurecr.io/sales:1",
            "command": ["python"],
            "resources": {"cpu": 1, "memory": "2Gi"},
            "env": [{"name": "KEPT", "value": name}, {"name": "GLACIER_RUN_ID", "value": "an-old-one"}],
        }
        self.jobs[job] = Job({"containers": [container]}, **options)
        return job

    @property
    def environment(self) -> dict[str, str]:
        """What a process on the machine sees."""
        return {
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token",
            "IDENTITY_HEADER": SECRET,
            "AZURE_CLIENT_ID": CLIENT,
            "GLACIER_AZURE_MANAGEMENT": self.url,
        }

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any]:
        url = urlsplit(target)
        query = parse_qs(url.query)
        if url.path == "/msi/token":
            if headers["X-IDENTITY-HEADER"] != SECRET or query["client_id"] != [CLIENT]:
                return 400, {"error": "no such identity"}
            assert query["resource"] == ["https://management.azure.com"]
            self.tokens += 1
            return 200, {"access_token": "a-token", "expires_on": str(int(time.time() + self.lasts))}
        if headers["Authorization"] != "Bearer a-token":
            return 401, {"error": "who asks?"}
        assert "api-version" in query
        path, _, rest = url.path.partition("/executions")
        ends = path.endswith("/start")
        job = self.jobs.get(path.removesuffix("/start"))
        if job is None:
            return 403, {"error": {"code": "AuthorizationFailed", "message": f"no right on {path}"}}
        name = path.removesuffix("/start").rsplit("/", 1)[1]
        if method == "POST" and ends:
            if job.refuses:
                return job.refuses.pop(0), {"error": "busy"}
            given: dict[str, Any] = json.loads(body) if body.strip() else {}
            template = given or deepcopy(job.template)
            execution = {
                "name": f"{name}-{len(job.executions) + 1}",
                "properties": {"status": "Running", "template": template, "looks": job.looks},
            }
            job.executions.append(execution)
            self.happened.append(f"start {name}")
            return (200, {"name": execution["name"]}) if job.tells else (202, None)
        if method == "GET" and rest:
            found = next(one for one in job.executions if one["name"] == rest[1:])
            properties = found["properties"]
            if properties["looks"] == 0:
                properties["status"] = job.ends
                self.happened.append(f"end {name}")
            properties["looks"] -= 1
            return 200, found
        if method == "GET" and "/executions" in url.path:
            return 200, {"value": job.executions}
        return 200, {"properties": {"template": job.template}}


@contextmanager
def jobs_server() -> Generator[Jobs]:
    """Runs one."""
    jobs = Jobs()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, jobs))
    jobs.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield jobs
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, jobs: Jobs, *args: Any) -> None:
        self.jobs = jobs
        super().__init__(*args)

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.jobs.lock:
            status, document = self.jobs.answer(method, self.path, self.headers, body)
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that its base has
        del format, args
