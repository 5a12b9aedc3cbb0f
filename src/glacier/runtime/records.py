"""Where the records of runs lie, in a bucket of any provider, and what stages hand on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from glacier.errors import InputError, StorageError
from glacier.execution.sinks import write_together
from glacier.providers import AWSProvider, AzureProvider, GCPProvider, LocalProvider
from glacier.resources.bucket import Bucket
from glacier.resources.store import Before, Small

if TYPE_CHECKING:
    import polars as pl

_CLOUDS: Mapping[str, type[AWSProvider | GCPProvider | AzureProvider]] = {
    "s3": AWSProvider,
    "gs": GCPProvider,
    "abfss": AzureProvider,
}


def records_at(uri: str, provider: Any) -> Records:
    """Gives the records below a URI.

    Args:
        uri: `s3://bucket`, `gs://bucket`, `abfss://container@account...`, or a folder; below it a prefix may stand.
        provider: of the bucket's cloud; of no meaning for a folder.

    Raises:
        InputError: the URI is of no known kind, or not of the provider's cloud.
    """
    if "://" not in uri:
        folder = Path(uri).absolute()
        return Records(LocalProvider(folder.parent).bucket(folder.name, path="./"))
    parts = urlsplit(uri)
    kind = _CLOUDS.get(parts.scheme)
    if kind is None:
        raise InputError(
            f"--records is `{uri}`, and Glacier knows no `{parts.scheme}://`",
            fix="name a bucket (s3://, gs://, abfss://) or a folder",
        )
    if not isinstance(provider, kind):
        has = "is not set" if provider is None else f"describes a {type(provider).__name__}"
        raise InputError(f"--records is `{uri}`, and GLACIER_PROVIDER {has}", fix=f"let it describe a {kind.__name__}")
    bucket: Bucket = provider.bucket(parts.netloc.partition("@")[0], path="./", existing=True)
    return Records(bucket, parts.path.strip("/"))


@dataclass(frozen=True)
class Records:
    """A bucket for records, or a prefix of it.

    Attributes:
        bucket: the whole of it.
        prefix: below which all lies; empty for the top.
    """

    bucket: Bucket
    prefix: str = ""

    def below(self, *names: str) -> Records:
        """Gives what lies below a folder."""
        return Records(self.bucket, "/".join([*([self.prefix] if self.prefix else []), *names]))

    @property
    def uri(self) -> str:
        """Where it is."""
        return self.bucket.store.uri(self.bucket.name, f"{self.prefix}/" if self.prefix else "./").rstrip("/")

    def key(self, name: str) -> str:
        """Gives a name's path in the bucket."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def small(self, name: str) -> Small | None:
        """Gives a small object; None if it is not there."""
        return self.bucket.store.small(self.bucket.name, self.key(name))

    def put(self, name: str, content: bytes, before: Before = "anything") -> bool:
        """Puts a small object, as `Store.put` does."""
        return self.bucket.store.put(self.bucket.name, self.key(name), content, before)

    def read(self, name: str) -> dict[str, Any] | None:
        """Gives a document; None if it is not there.

        Raises:
            StorageError: it is no document of Glacier's.
        """
        found = self.small(name)
        if found is None:
            return None
        try:
            document: object = json.loads(found.content)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise StorageError(f"`{self.uri}/{name}` is no record of Glacier's", fix="delete it")
        return cast("dict[str, Any]", document)

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Writes a document in place of what is there."""
        self.put(name, (json.dumps(document) + "\n").encode())


class NotKept(Exception):
    """A frame that could not be computed or written; why, is its cause.

    Attributes:
        name: by which it would have been found.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass
class Shelf:
    """What an attempt of a stage keeps beside its record: frames as Arrow files, long bytes as they are.

    Attributes:
        records: the folder of the stage in its run.
        attempt: a name that no other attempt has, so that what one writes replaces nothing that another has written.
    """

    records: Records
    attempt: str = ""
    pending: list[tuple[str, pl.DataFrame | pl.LazyFrame]] = field(
        default_factory=list["tuple[str, pl.DataFrame | pl.LazyFrame]"]
    )
    count: int = 0

    def keep_frame(self, frame: pl.DataFrame | pl.LazyFrame) -> str:
        """Takes a frame, to be written by `flush`."""
        name = self._name("arrow")
        self.pending.append((name, frame))
        return name

    def keep_bytes(self, content: bytes) -> str:
        """Writes bytes."""
        name = self._name("bin")
        self.records.put(name, content)
        return name

    def flush(self) -> None:
        """Computes and writes the frames that were taken: together, so that what they share is computed once.

        Raises:
            NotKept: one could not be computed or written.
        """
        writes = [(self._place(name), (frame,), {"compression": "zstd"}) for name, frame in self.pending]
        names = [name for name, _ in self.pending]
        self.pending = []
        written = write_together(writes) if len(writes) > 1 else None
        for name, one in zip(names, written or (), strict=written is not None):
            if isinstance(one, Exception):
                raise NotKept(name) from one
        if written is not None:
            return
        for (place, (frame,), options), name in zip(writes, names, strict=True):
            try:
                place.stage_write(frame, **options).run()
            except Exception as error:
                raise NotKept(name) from error

    def frame(self, name: str) -> pl.LazyFrame:
        """Gives a frame as a scan of its file."""
        return self._place(name).scan()

    def content(self, name: str) -> bytes:
        """Gives bytes.

        Raises:
            StorageError: they are not there.
        """
        found = self.records.small(name)
        if found is None:
            raise StorageError(f"`{self.records.uri}/{name}` is not there, though a record names it")
        return found.content

    def _name(self, extension: str) -> str:
        self.count += 1
        return f"values/{self.attempt}-{self.count}.{extension}"

    def _place(self, name: str) -> Bucket:
        return self.records.bucket.at(self.records.key(name), format="ipc")
