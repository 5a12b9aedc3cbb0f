"""S3 on loopback that holds whoever asks to what an identity is allowed: moto behind a guard of its requests.

(Amazon S3 User Guide: required permissions for API operations; access denied and missing objects)
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import unescape

from stores import boto, s3_url

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Right = tuple[str, str, str]
"""An action, a bucket, and the key of an object; of a listing, the prefix that is asked for."""

_REFUSED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class GuardedS3:
    """The server; `url` is its address."""

    def __init__(self) -> None:
        from werkzeug.serving import make_server

        self.may: Callable[[str, str, str], bool] = lambda _action, _bucket, _key: True
        self.used: set[Right] = set()
        self.denied: set[Right] = set()
        self._made: set[str] = set()
        moto: Any = import_module("moto.moto_server.werkzeug_app")  # which says nothing of its types
        self._moto = moto.DomainDispatcherApplication(moto.create_backend_app)
        server = make_server("127.0.0.1", 0, self, threaded=True)
        self.url = f"http://127.0.0.1:{server.port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def create(self, bucket: str) -> None:
        """Makes a bucket, empty even if there is one; moto keeps what all servers of this process hold in one place."""
        client = boto(s3_url())
        self._made.add(bucket)
        if bucket in [one["Name"] for one in client.list_buckets()["Buckets"]]:
            for one in client.list_objects_v2(Bucket=bucket).get("Contents", []):
                client.delete_object(Bucket=bucket, Key=one["Key"])
            for one in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
                client.abort_multipart_upload(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])
            return
        client.create_bucket(Bucket=bucket)

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Writes an object, whoever may."""
        boto(s3_url()).put_object(Bucket=bucket, Key=key, Body=content)

    def uploads(self) -> list[str]:
        """Gives the uploads that are neither complete nor dropped."""
        client = boto(s3_url())
        found = [client.list_multipart_uploads(Bucket=name).get("Uploads", []) for name in sorted(self._made)]
        return [one["Key"] for each in found for one in each]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers a request, or refuses it."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        path = environ["PATH_INFO"].encode("latin-1").decode()
        bucket, _, key = path.lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"], keep_blank_values=True).items()}
        if not all(self._permits(right) for right in _rights(environ, bucket, key, query, body)):
            return _refuse(start_response)
        told: list[tuple[Any, ...]] = []

        def begin(*head: Any) -> None:
            told.append(head)

        answer = [*self._moto(environ, begin)]
        is_missing = told[0][0].startswith("404") and bool(key) and environ["REQUEST_METHOD"] in ("GET", "HEAD")
        if is_missing and not self._permits(("s3:ListBucket", bucket, key)):
            return _refuse(start_response)
        start_response(*told[0])
        return answer

    def _permits(self, right: Right) -> bool:
        granted = self.may(*right)
        (self.used if granted else self.denied).add(right)
        return granted


def _rights(environ: WSGIEnvironment, bucket: str, key: str, query: Mapping[str, str], body: bytes) -> Iterator[Right]:
    """Gives what a request needs."""
    match environ["REQUEST_METHOD"]:
        case "GET" if not key and query.get("list-type") == "2":
            yield "s3:ListBucket", bucket, query.get("prefix", "")
        case "GET" | "HEAD" if key:
            yield "s3:GetObject", bucket, key
        case "PUT" | "POST" if key:
            yield "s3:PutObject", bucket, key
            if "HTTP_IF_MATCH" in environ:
                yield "s3:GetObject", bucket, key
            if source := unquote(environ.get("HTTP_X_AMZ_COPY_SOURCE", "")):
                other, _, name = source.lstrip("/").partition("/")
                yield "s3:GetObject", other, name
        case "POST" if "delete" in query:
            for name in re.findall(r"<Key>(.*?)</Key>", body.decode()):
                yield "s3:DeleteObject", bucket, unescape(name)
        case "DELETE" if key:
            yield "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject", bucket, key
        case other:
            raise AssertionError(f"not known what takes: {other} {bucket}/{key}?{environ['QUERY_STRING']}")


def _refuse(start_response: StartResponse) -> list[bytes]:
    start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(_REFUSED)))])
    return [_REFUSED]
