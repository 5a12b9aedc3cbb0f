"""The places that the suite of buckets runs over: this machine, memory, and object stores on loopback."""

from __future__ import annotations

import atexit
import base64
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache, partial
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Literal

import obstore
from obstore.store import AzureStore, GCSStore, S3Store

from gcs_server import GoogleStorage
from glacier.providers import AWSProvider, AzureProvider, GCPProvider, LocalProvider
from glacier.resources.bucket import Bucket
from glacier.testing import MemoryProvider
from seaweedfs import Identity, SeaweedFS, free_ports

Cloud = Literal["s3", "seaweedfs", "gcs", "azure"]
# Azurite comes from npm. Without it, its share of the suite is not there; where CI is set, it has to be.
HAS_AZURITE = bool(shutil.which("azurite-blob") or os.environ.get("CI"))
CLOUDS: tuple[Cloud, ...] = ("s3", "seaweedfs", "gcs", *(("azure",) if HAS_AZURITE else ()))
ACCOUNT, DEPLOYED_ACCOUNT = "devstoreaccount1", "acmedata"
"""Accounts of Azurite: the usual one, and the one of pipelines that are deployed."""
AZURITES_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # documented
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIAGLACIERTESTS",
    "AWS_SECRET_ACCESS_KEY": "glacier-secret-of-aws",
    "AZURE_STORAGE_ACCOUNT_KEY": AZURITES_KEY,
}
CONTAINERS = ("raw", "out", "sales", "nothing")
"""The buckets that are there in each cloud; an infrastructure would have made them."""

# Once, before there are threads: Polars' read the environment whenever they open a store, and C's library lets a
# change of it pull the ground from under them.
os.environ.update(SECRETS, AWS_EC2_METADATA_DISABLED="true")

numbers = count(1)


@dataclass(frozen=True)
class Place:
    """A place to keep buckets, with the ways in that do not go through Glacier."""

    kind: str
    provider: Any
    declare: Callable[..., Bucket]
    put: Callable[[Bucket, bytes], None]
    keys: Callable[[Bucket], list[str]]

    def leftovers(self, bucket: Bucket) -> list[str]:
        """The folders of all that is staged in the bucket."""
        return sorted({key[: key.index(".tmp")] for key in self.keys(bucket) if ".glacier-" in key})


def local(provider: LocalProvider) -> Place:
    def put(bucket: Bucket, content: bytes) -> None:
        place = Path(provider.base_path, bucket.name, bucket.path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def keys(bucket: Bucket) -> list[str]:
        top = Path(provider.base_path, bucket.name)
        return sorted(path.relative_to(top).as_posix() for path in top.rglob("*"))

    return Place("local", provider, provider.bucket, put, keys)


def cloud(kind: Cloud, *, timeout: float = 60) -> Place:
    """A place in a cloud, with empty buckets that nobody else uses: names have a prefix of their own.

    In SeaweedFS they are emptied instead, since the first object of a bucket takes a fifth of a second there: of one
    process, the last such place counts.
    """
    prefix = f"t{next(numbers)}-"
    provider: Any
    client: Callable[[str], Any]
    create: Callable[[str], None]
    match kind:
        case "s3":
            url = s3_url()
            provider = AWSProvider(region="us-east-1", name_prefix=prefix, endpoint_url=url, timeout=timeout)
            client, create = partial(s3_client, url), _s3_create
        case "seaweedfs":
            url, prefix = seaweedfs().url, "again-"
            provider = AWSProvider(region="us-east-1", name_prefix=prefix, endpoint_url=url, timeout=timeout)
            client, create = partial(s3_client, url), seaweedfs().empty
        case "gcs":
            url = gcs_server().url
            provider = GCPProvider(project_id="my-project", name_prefix=prefix, endpoint_url=url, timeout=timeout)
            client, create = gcs_client, gcs_server().state.create
        case "azure":
            url = azure_url()
            provider = AzureProvider(storage_account=ACCOUNT, name_prefix=prefix, endpoint_url=url, timeout=timeout)
            client, create = azure_client, _azure_create
    for name in CONTAINERS:
        create(prefix + name)

    def put(bucket: Bucket, content: bytes) -> None:
        obstore.put(client(prefix + bucket.name), bucket.path, content)

    def keys(bucket: Bucket) -> list[str]:
        return sorted(found["path"] for page in obstore.list(client(prefix + bucket.name)) for found in page)

    return Place(kind, provider, provider.bucket, put, keys)


def place_of(kind: str, tmp_path: Path) -> Place:
    match kind:
        case "local":
            return local(LocalProvider(tmp_path / "data"))
        case "memory":
            return local(MemoryProvider())
        case "s3" | "seaweedfs" | "gcs" | "azure":
            return cloud(kind)
        case other:
            raise AssertionError(other)


@cache
def s3_url() -> str:
    """Starts moto once; it ends with the process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


@cache
def seaweedfs() -> SeaweedFS:
    """Starts SeaweedFS once; it is ended when this process exits. A reader may read and list."""
    return SeaweedFS(
        [
            Identity("tests", SECRETS["AWS_ACCESS_KEY_ID"], SECRETS["AWS_SECRET_ACCESS_KEY"], ("Admin",)),
            Identity("reader", "AKIAREADER", "glacier-secret-of-reader", ("Read", "List")),
        ]
    )


@cache
def gcs_server() -> GoogleStorage:
    return GoogleStorage()


@cache
def azure_url() -> str:
    """Starts Azurite once; it is ended when this process exits."""
    program = shutil.which("azurite-blob")
    assert program, "azurite is not installed: npm install azurite, and put its node_modules/.bin on PATH"
    (port,) = free_ports(1)
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    accounts = ";".join(f"{account}:{AZURITES_KEY}" for account in (ACCOUNT, DEPLOYED_ACCOUNT))
    server = subprocess.Popen(
        [program, *options, "--blobPort", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "AZURITE_ACCOUNTS": accounts},
    )  # fmt: skip
    atexit.register(server.kill)
    for _ in range(200):
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return f"http://127.0.0.1:{port}/{ACCOUNT}"
        time.sleep(0.1)
    raise AssertionError("azurite did not start")


def dead_name() -> str:
    """The name of what a process of this machine staged that is gone."""
    script = "from glacier.providers import leftovers; print(leftovers.new_name())"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


@cache
def s3_client(url: str, name: str) -> S3Store:
    return S3Store(name, endpoint=url, region="us-east-1", client_options={"allow_http": True})


def boto(url: str) -> Any:
    """Gives AWS's own client for an S3 server."""
    boto3: Any = import_module("boto3")
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1")


def _s3_create(name: str) -> None:
    boto(s3_url()).create_bucket(Bucket=name)


@cache
def gcs_client(name: str) -> GCSStore:
    nobody = GCPProvider(endpoint_url=gcs_server().url)
    key = nobody.bucket("any", path="./").store.reach()["storage_options"]["google_service_account_key"]
    return GCSStore(name, service_account_key=key, client_options={"allow_http": True})


@cache
def azure_client(name: str) -> AzureStore:
    return AzureStore(name, account_name=ACCOUNT, endpoint=azure_url(), client_options={"allow_http": True})


def deployed_azure_url() -> str:
    """Gives where the account of deployed pipelines is."""
    return azure_url().replace(ACCOUNT, DEPLOYED_ACCOUNT)


def _azure_create(name: str) -> None:
    azure_container(azure_url(), name)


def azure_container(url: str, name: str) -> None:
    """Makes a container; the request is signed as Azure documents it (shared key)."""
    account = url.rsplit("/", 1)[1]
    date = formatdate(usegmt=True)
    lines = ["PUT", *[""] * 11, f"x-ms-date:{date}", "x-ms-version:2021-08-06", f"/{account}/{account}/{name}"]
    text = "\n".join([*lines, "restype:container"])
    digest = hmac.new(base64.b64decode(AZURITES_KEY), text.encode(), hashlib.sha256).digest()
    headers = {
        "x-ms-date": date,
        "x-ms-version": "2021-08-06",
        "Authorization": f"SharedKey {account}:{base64.b64encode(digest).decode()}",
        "Content-Type": "",
    }
    request = urllib.request.Request(f"{url}/{name}?restype=container", data=b"", headers=headers, method="PUT")
    with urllib.request.urlopen(request, timeout=10):
        pass


def secrets_in(text: str) -> Iterator[str]:
    """Gives the secrets that a text holds."""
    return (value for value in SECRETS.values() if value in text)
