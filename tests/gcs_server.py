"""Google Cloud Storage on loopback: the XML object API as `object_store` speaks it, in memory, whole objects only.

It can hold whoever asks to what an identity is allowed. (Cloud Storage: IAM permissions for XML requests)
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from itertools import count
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

CRC32C: Any = import_module("google_crc32c")  # which says little of its types

Right = tuple[str, str, str]
"""An action, a bucket, and the key of an object; of a listing, the prefix that is asked for."""

TOLD = "storage.objects.list of an object"
"""Asked of an object that is not there: who may list it is told so, others that they may not."""


@dataclass(frozen=True)
class Blob:
    content: bytes
    generation: int
    when: datetime
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass
class State:
    """What the server holds: objects by bucket and key, and uploads that are not complete."""

    buckets: dict[str, dict[str, Blob]] = field(default_factory=dict[str, dict[str, Blob]])
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict[str, dict[int, bytes]])
    metadata: dict[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """Of objects that uploads are to become, by the upload."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: count[int] = field(default_factory=lambda: count(1))
    refuse: Callable[[str, str], tuple[int, str] | None] = lambda _method, _key: None
    """Tells status and code of the error with which a request is answered, by method and key; None if it is not."""
    may: Callable[[str, str, str], bool] = lambda _action, _bucket, _key: True
    """Tells whether whoever asks has a right."""
    used: set[Right] = field(default_factory=set[Right])
    denied: set[Right] = field(default_factory=set[Right])

    def permits(self, right: Right) -> bool:
        """Tells whether a right is had, and notes that it was needed."""
        granted = self.may(*right)
        (self.used if granted else self.denied).add(right)
        return granted

    def create(self, bucket: str) -> None:
        self.buckets[bucket] = {}

    def put(
        self, bucket: str, key: str, content: bytes, metadata: Mapping[str, str] | None = None, etag: str = ""
    ) -> Blob:
        etag = etag or f'"{hashlib.md5(content).hexdigest()}"'
        blob = Blob(content, next(self.numbers), datetime.now(UTC), etag, metadata or {})
        self.buckets[bucket][key] = blob
        return blob


class GoogleStorage(ThreadingHTTPServer):
    """The server; `url` is its address, `state` what it holds."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.state = State()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of connections that a client has closed."""


class Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet an answer

    @property
    def state(self) -> State:
        return cast("GoogleStorage", self.server).state

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Keeps the tests' output free of requests."""

    def handle_one(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        bucket, _, key = unquote(parts.path.lstrip("/")).partition("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if (refused := self.state.refuse(self.command, key)) is not None:
            self.fail(*refused)
            return
        with self.state.lock:
            if bucket not in self.state.buckets:
                self.fail(404, "NoSuchBucket")
            elif not all(self.state.permits(right) for right in self.rights(bucket, key, query)):
                self.fail(403, "AccessDenied")
            elif not key:
                self.listing(self.state.buckets[bucket], query)
            elif "uploads" in query or "uploadId" in query:
                self.multipart(bucket, key, query, body)
            else:
                self.object(bucket, key, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_one

    def rights(self, bucket: str, key: str, query: Mapping[str, str]) -> Iterator[Right]:
        """Gives what a request needs."""
        there = key in self.state.buckets[bucket]
        match self.command:
            case "GET" if not key:
                yield "storage.objects.list", bucket, query.get("prefix", "")
            case "GET" | "HEAD":
                yield "storage.objects.get", bucket, key
            case "DELETE" if "uploadId" in query:
                yield "storage.multipartUploads.abort", bucket, key
            case "DELETE":
                yield "storage.objects.delete", bucket, key
            case _:
                yield "storage.objects.create", bucket, key
                if "uploads" in query or "uploadId" in query:
                    yield "storage.multipartUploads.create", bucket, key
                if there and self.command == ("POST" if "uploadId" in query else "PUT"):  # it is replaced
                    yield "storage.objects.delete", bucket, key
                if origin := self.headers.get("x-goog-copy-source"):
                    other, _, name = unquote(origin.lstrip("/")).partition("/")
                    yield "storage.objects.get", other, name

    def missing(self, bucket: str, key: str) -> None:
        """Says that an object is not there, to who may know."""
        if self.state.permits((TOLD, bucket, key)):
            self.fail(404, "NoSuchKey")
        else:
            self.fail(403, "AccessDenied")

    def object(self, bucket: str, key: str, body: bytes) -> None:
        state = self.state
        found = state.buckets[bucket].get(key)
        match self.command:
            case "PUT":
                wanted = self.headers.get("x-goog-if-generation-match")
                if wanted is not None and int(wanted) != (found.generation if found else 0):
                    self.fail(412, "PreconditionFailed")
                    return
                if origin := self.headers.get("x-goog-copy-source"):
                    other, _, name = unquote(origin.lstrip("/")).partition("/")
                    source = state.buckets.get(other, {}).get(name)
                    if source is None:
                        self.missing(other, name)
                        return
                    self.answer(200, headers=_headers(state.put(bucket, key, source.content, etag=source.etag)))
                    return
                self.answer(200, headers=_headers(state.put(bucket, key, body)))
            case _ if found is None:
                self.missing(bucket, key)
            case "DELETE":
                del state.buckets[bucket][key]
                self.answer(204)
            case _:
                self.content(found)

    def content(self, blob: Blob) -> None:
        if (wanted := self.headers.get("If-Match")) is not None and wanted != blob.etag:
            self.fail(412, "PreconditionFailed")
            return
        size = len(blob.content)
        span = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if span is None:
            told = {"x-goog-hash": _hashes(blob)} if self.command == "HEAD" else {}
            self.answer(200, blob.content, {**_headers(blob), **told})
            return
        first = int(span[1]) if span[1] else max(0, size - int(span[2]))
        last = min(int(span[2]), size - 1) if span[1] and span[2] else size - 1
        if first > last:
            self.fail(416, "InvalidRange")
            return
        told = {**_headers(blob), "Content-Range": f"bytes {first}-{last}/{size}"}
        self.answer(206, blob.content[first : last + 1], told)

    def multipart(self, bucket: str, key: str, query: Mapping[str, str], body: bytes) -> None:
        state = self.state
        if "uploads" in query:
            upload = f"{bucket}-upload-{next(state.numbers)}"
            state.uploads[upload] = {}
            state.metadata[upload] = {
                name: value for name, value in self.headers.items() if name.lower().startswith("x-goog-meta-")
            }
            self.xml(f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>")
            return
        parts = state.uploads.get(query["uploadId"])
        if parts is None:
            self.fail(404, "NoSuchUpload")
        elif self.command == "PUT":
            parts[int(query["partNumber"])] = body
            self.answer(200, headers={"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
        elif self.command == "POST":
            del state.uploads[query["uploadId"]]
            content = b"".join(parts[number] for number in sorted(parts))
            blob = state.put(bucket, key, content, state.metadata[query["uploadId"]])
            self.xml(f"<CompleteMultipartUploadResult><ETag>{blob.etag}</ETag></CompleteMultipartUploadResult>", blob)
        else:
            del state.uploads[query["uploadId"]]
            self.answer(204)

    def listing(self, blobs: Mapping[str, Blob], query: Mapping[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token") or query.get("start-after", "")
        most = min(int(query.get("max-keys", 1000)), 1000)
        rows: list[str] = []
        last = ""
        folders: dict[str, None] = {}
        for key in sorted(key for key in blobs if key.startswith(prefix) and key > after):
            if len(rows) + len(folders) == most:
                rows.append(f"<NextContinuationToken>{escape(last)}</NextContinuationToken>")
                rows.append("<IsTruncated>true</IsTruncated>")
                break
            last = key
            rest = key.removeprefix(prefix)
            if delimiter and delimiter in rest:
                folders[prefix + rest.partition(delimiter)[0] + delimiter] = None
                continue
            blob = blobs[key]
            rows.append(
                f"<Contents><Key>{escape(key)}</Key><Size>{len(blob.content)}</Size><ETag>{blob.etag}</ETag>"
                f"<LastModified>{blob.when:%Y-%m-%dT%H:%M:%S.%f}Z</LastModified></Contents>"
            )
        rows += [f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders]
        self.xml(f"<ListBucketResult>{''.join(rows)}</ListBucketResult>")

    def xml(self, text: str, blob: Blob | None = None) -> None:
        headers = {**(_headers(blob) if blob else {}), "Content-Type": "application/xml"}
        self.answer(200, text.encode(), headers)

    def fail(self, status: int, code: str) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
        self.answer(status, body.encode(), {"Content-Type": "application/xml"})

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, values in (headers or {}).items():
            for value in values.split("\n"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _hashes(blob: Blob) -> str:
    """Gives what Cloud Storage keeps of an object's content, each in a header line of its own."""
    checksum: int = CRC32C.value(blob.content)
    crc32c = base64.b64encode(checksum.to_bytes(4, "big")).decode()
    md5 = base64.b64encode(hashlib.md5(blob.content).digest()).decode()
    return f"crc32c={crc32c}\nmd5={md5}"


def _headers(blob: Blob) -> dict[str, str]:
    return {
        **blob.metadata,
        "ETag": blob.etag,
        "x-goog-generation": str(blob.generation),
        "Last-Modified": format_datetime(blob.when, usegmt=True),
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
    }
