"""Where results lie: in a bucket, a folder for each key, whose `entry.json` is written last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from glacier.execution.codec import Json
from glacier.resources.bucket import Bucket

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
NAME = "entry.json"


class Damaged(Exception):
    """An entry that is not what was written."""


@dataclass(frozen=True)
class Entry:
    """A result that is kept.

    Attributes:
        key: that it is found by.
        node: the name of the call in its graph.
        task: the task's name.
        created: when it was computed, in UTC, ISO 8601.
        seconds: how long that took.
        rows: of the frame that it is, where that is known.
        document: the value as JSON, see `codec`.
        files: the frames and long bytes of it, with size and version.
        wrote: what the call left in buckets: a digest for each URI.
        parts: what went into the key: a digest for each thing by its name.
        items: for each loop over a result around the call, outermost first, the number of the item, from 0.
    """

    key: str
    pipeline: str
    node: str
    task: str
    created: str
    seconds: float
    rows: int | None
    document: Json
    files: Mapping[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    wrote: Mapping[str, str] = field(default_factory=dict[str, str])
    parts: Mapping[str, str] = field(default_factory=dict[str, str])
    items: tuple[int, ...] = ()

    @property
    def when(self) -> datetime:
        """When it was computed."""
        return datetime.fromisoformat(self.created)

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(size for size, _ in self.files.values())

    def is_good_for(self, ttl: timedelta | None) -> bool:
        """Whether it is not too old. One from the future, by a clock that was set, is."""
        return ttl is None or timedelta(0) <= datetime.now(UTC) - self.when <= ttl


class Entries:
    """The results in one bucket.

    Args:
        bucket: or a folder of one.
    """

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._top = "" if bucket.path == "./" else bucket.path.rstrip("/") + "/"

    def files_of(self, key: str) -> Collection[str] | None:
        """Gives the names of an entry's files, as far as it can be read; None if there is no entry."""
        small = self.bucket.store.small(self.bucket.name, self._path(key, NAME))
        try:
            return None if small is None else parsed(small.content).files.keys()
        except Damaged:
            return ()

    def found(self, key: str) -> Entry | None:
        """Gives the entry of a key, None if there is none.

        Raises:
            Damaged: it is not what was written.
            StorageError: the bucket cannot be read.
        """
        small = self.bucket.store.small(self.bucket.name, self._path(key, NAME))
        if small is None:
            return None
        entry = parsed(small.content)
        there = self._files(key)
        for name, noted in entry.files.items():
            if there.get(name) != tuple(noted):
                if self.bucket.store.small(self.bucket.name, self._path(key, NAME)) != small:
                    return self.found(key)  # another has come in its place meanwhile
                raise Damaged(f"`{name}` is not what was written")
        return entry

    def put(self, entry: Entry, *, again: bool) -> bool:
        """Puts an entry whose files are there; False if there is one by now.

        Args:
            entry: with the files as `Values` kept them.
            again: whether it is to take the place of one that is there.

        Raises:
            Damaged: one of its files is gone: somebody else makes room.
            StorageError: the bucket does not take it.
        """
        there = self._files(entry.key)
        for name in entry.files.keys() - there.keys():
            raise Damaged(f"`{name}` is gone before its entry was written")
        noted = {name: there[name] for name in entry.files}
        content = _written(replace(entry, files=noted))
        return self.bucket.store.put(
            self.bucket.name, self._path(entry.key, NAME), content, "anything" if again else "nothing"
        )

    def remove(self, key: str) -> None:
        """Removes an entry with its files."""
        self.bucket.store.delete(self.bucket.name, [self._path(key, NAME)], below=False)  # so that nobody finds half
        self.bucket.store.delete(self.bucket.name, [self._path(key, "")])

    def values(self, key: str) -> Values:
        """Gives where the files of an entry lie."""
        return Values(self.bucket, self._top, key)

    def all(self) -> Iterator[Entry]:
        """Gives every entry that can be read, the newest first."""
        paths = (one.path for one in self.bucket.store.entries(self.bucket.name, self.bucket.path))
        found: list[Entry] = []
        for path in paths:
            if path.endswith(f"/{NAME}"):
                small = self.bucket.store.small(self.bucket.name, path)
                try:
                    found += [] if small is None else [parsed(small.content)]
                except Damaged:
                    continue
        yield from sorted(found, key=lambda entry: entry.created, reverse=True)

    def _files(self, key: str) -> dict[str, tuple[int, str]]:
        below = self._path(key, "")
        listed = self.bucket.store.entries(self.bucket.name, below)
        return {one.path.removeprefix(below): (one.size, one.version) for one in listed}

    def _path(self, key: str, name: str) -> str:
        return f"{self._top}{key}/{name}"


class Values:
    """The files of one entry; `Kept` of the codec. Each has a name of its own, so that two who write never meet.

    Attributes:
        names: of those that were kept.
        scans: the LazyFrames that were computed into one, by their ids, with its name.
    """

    def __init__(self, bucket: Bucket, top: str, key: str) -> None:
        self._bucket = bucket
        self._top = top
        self._key = key
        self.names: list[str] = []
        self.scans: dict[int, str] = {}

    def keep_frame(self, frame: pl.DataFrame | pl.LazyFrame) -> str:
        """Writes a frame; computes a LazyFrame into its file, without holding it."""
        import polars as pl

        name = self._new("arrow")
        self._at(name).write(frame)
        if isinstance(frame, pl.LazyFrame):
            self.scans[id(frame)] = name
        return name

    def keep_bytes(self, content: bytes) -> str:
        """Writes bytes."""
        name = self._new("bin")
        self._bucket.store.put(self._bucket.name, f"{self._top}{self._key}/{name}", content)
        return name

    def frame(self, name: str) -> pl.LazyFrame:
        """Gives a frame as a scan of its file."""
        return self._at(name).scan()

    def content(self, name: str) -> bytes:
        """Gives bytes."""
        small = self._bucket.store.small(self._bucket.name, f"{self._top}{self._key}/{name}")
        if small is None:
            raise Damaged(f"`{name}` is gone")
        return small.content

    def discard(self) -> None:
        """Removes what was kept."""
        paths = [f"{self._top}{self._key}/{name}" for name in self.names]
        self._bucket.store.delete(self._bucket.name, paths, below=False)

    def _at(self, name: str) -> Bucket:
        return self._bucket.at(f"{self._top}{self._key}/{name}")

    def _new(self, extension: str) -> str:
        self.names.append(f"{token_hex(8)}.{extension}")
        return self.names[-1]


def _written(entry: Entry) -> bytes:
    body = json.dumps({"format": FORMAT, **asdict(entry)}, separators=(",", ":"))
    return json.dumps({"checksum": _checksum(body), "body": body}).encode()


def parsed(content: bytes) -> Entry:
    """Gives an entry as it was written.

    Raises:
        Damaged: it is not what was written.
    """
    try:
        outer = json.loads(content)
        body: dict[str, Any] = json.loads(outer["body"])
        if outer["checksum"] != _checksum(outer["body"]) or body.pop("format") != FORMAT:
            raise Damaged(f"`{NAME}` is not what was written")
        files = {name: (size, version) for name, (size, version) in body.pop("files").items()}
        items = body.pop("items", ())  # entries of older versions tell none
        return Entry(**body, files=files, items=tuple(items))
    except (ValueError, TypeError, KeyError) as error:
        raise Damaged(f"`{NAME}` cannot be read") from error


def _checksum(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
